using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Computes a group's inner values once more, by cuBLASLt's GEMMs, and copies them into a trace. Waits, and takes memory for it.</summary>
internal static class DeviceTrace
{
    /// <summary>Reads the inner values of a group whose forward was queued.</summary>
    /// <param name="group">The group.</param>
    /// <param name="trace">Receives them.</param>
    /// <param name="firstToken">The group's first token in it.</param>
    public static void Read(in DeviceGroup group, FfnTrace trace, int firstToken)
    {
        int slot = 0;
        OperandRows operands = InputSteps.PrepareOperands(group, group.Scratch.Slot(slot));
        if (group.Norms.Pre.Kind != (int)KernelNorm.None && trace.Normalized is { } normalized)
        {
            ReadNormalized(group, operands, normalized, firstToken);
        }

        for (int stage = 0; stage < trace.HiddenStages.Length; stage++)
        {
            slot ^= 1;
            HiddenSteps.QueueGemm(group, stage, operands);
            ReadStage(group, group.Network.Stages[stage], operands, trace.HiddenStages[stage], firstToken);
            operands = HiddenSteps.Queue(group, stage, operands, group.Scratch.Slot(slot));
        }
    }

    private static void ReadNormalized(in DeviceGroup group, OperandRows operands, float[] normalized, int firstToken)
    {
        int width = group.Network.Spec.InputWidth;
        DeviceMemory memory = group.Run.Slot.Allocate(Bytes(group.Run.Tokens, width), "Traced rows");
        try
        {
            DeviceRegion rows = memory.Region;
            group.Kernels.WidenOperand(group.Run.Stream, group.Run.Tokens, new WidenArguments
            {
                Operand = operands.Region.Address,
                Stride = operands.Stride,
                TokenScales = operands.Scales.Address,
                Output = rows.Address,
                Width = width,
            });
            Copy(group, rows, normalized, firstToken, width);
        }
        catch
        {
            // Kernels may still be writing to it.
            group.Run.Slot.Drain();
            throw;
        }
        finally
        {
            memory.Dispose();
        }
    }

    private static void ReadStage(in DeviceGroup group, DeviceStage stage, OperandRows operands, FfnStageTrace trace, int firstToken)
    {
        int width = stage.Shape.Width;
        var layout = default(DeviceLayout);
        var layouts = new MemoryPart[4];
        foreach (ref MemoryPart part in layouts.AsSpan())
        {
            part = layout.Add((long)group.Run.Tokens * width, sizeof(float));
        }

        DeviceMemory memory = group.Run.Slot.Allocate(layout.Bytes, "Traced rows");
        try
        {
            DeviceRegion whole = memory.Region;
            DeviceRegion[] parts = [.. layouts.Select(part => part.In(whole))];
            group.Kernels.TraceStage(group.Run.Stream, group.Run.Tokens, new TraceArguments
            {
                Product = group.Scratch.Products.Address,
                ProductStride = stage.Rows,
                Bias = stage.Bias.Address,
                ChannelScales = stage.ChannelScales.Address,
                TokenScales = operands.Scales.Address,
                PreActivation = parts[0].Address,
                Activated = parts[1].Address,
                Up = trace.Up is null ? 0 : parts[2].Address,
                Hidden = parts[3].Address,
                Width = width,
                PaddedWidth = stage.PaddedWidth,
                Kind = stage.Kind,
            });
            float[]?[] arrays = [trace.PreActivation, trace.Activation, trace.Up, trace.Hidden];
            for (int i = 0; i < arrays.Length; i++)
            {
                if (arrays[i] is { } array)
                {
                    Copy(group, parts[i], array, firstToken, width);
                }
            }
        }
        catch
        {
            group.Run.Slot.Drain();
            throw;
        }
        finally
        {
            memory.Dispose();
        }
    }

    /// <summary>Copies float32 rows of any stride into dense ones, and waits for them.</summary>
    /// <param name="stream">Where the rows are made.</param>
    /// <param name="source">The rows.</param>
    /// <param name="tokens">How many.</param>
    /// <param name="destination">Receives them.</param>
    /// <param name="firstToken">The first one's index there.</param>
    /// <param name="width">Elements of a row.</param>
    public static unsafe void Copy(CudaStream stream, DeviceRows source, int tokens, float[] destination, int firstToken, int width)
    {
        DeviceRegion region = source.Region(tokens, width);
        float[] rows = new float[checked((int)(region.Bytes / sizeof(float)))];
        fixed (float* start = rows)
        {
            stream.CopyToHost(region, start);
            stream.Synchronize();
        }

        for (int token = 0; token < tokens; token++)
        {
            rows.AsSpan(checked((int)(token * source.Stride)), width).CopyTo(destination.AsSpan(checked((firstToken + token) * width)));
        }
    }

    private static unsafe void Copy(in DeviceGroup group, DeviceRegion source, float[] destination, int firstToken, int width)
    {
        Span<float> rows = destination.AsSpan(checked(firstToken * width), checked(group.Run.Tokens * width));
        fixed (float* start = rows)
        {
            group.Run.Stream.CopyToHost(source.Slice(0, Bytes(group.Run.Tokens, width)), start);
            group.Run.Stream.Synchronize();
        }
    }

    private static long Bytes(int tokens, int width) => (long)tokens * width * sizeof(float);
}
