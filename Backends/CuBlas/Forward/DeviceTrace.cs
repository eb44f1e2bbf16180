using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Computes a chunk's inner values once more, by cuBLASLt's products, and copies them into a trace. Waits, and takes memory for it.</summary>
internal static class DeviceTrace
{
    /// <summary>Reads the inner values of a chunk whose forward was queued.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="trace">Receives them.</param>
    /// <param name="firstToken">The chunk's first token in it.</param>
    public static void Read(in DeviceChunk chunk, FfnTrace trace, int firstToken)
    {
        int slot = 0;
        OperandRows operands = InputSteps.PrepareOperands(chunk, chunk.Scratch.Slot(slot));
        if (chunk.IsBlock && trace.Normalized is { } normalized)
        {
            ReadNormalized(chunk, operands, normalized, firstToken);
        }

        for (int stage = 0; stage < trace.HiddenStages.Length; stage++)
        {
            slot ^= 1;
            HiddenSteps.QueueProduct(chunk, stage, operands);
            ReadStage(chunk, chunk.Weights.Stages[stage], operands, trace.HiddenStages[stage], firstToken);
            operands = HiddenSteps.Queue(chunk, stage, operands, chunk.Scratch.Slot(slot));
        }
    }

    private static void ReadNormalized(in DeviceChunk chunk, OperandRows operands, float[] normalized, int firstToken)
    {
        int width = chunk.Weights.Spec.InputWidth;
        DeviceMemory memory = chunk.Lane.Allocate(Bytes(chunk.Tokens, width), "Traced rows");
        try
        {
            DeviceRegion rows = memory.Region;
            chunk.Kernels.WidenOperand(chunk.Stream, chunk.Tokens, new WidenArguments
            {
                Operand = operands.Region.Address,
                Stride = operands.Stride,
                TokenScales = operands.Scales.Address,
                Output = rows.Address,
                Width = width,
            });
            Copy(chunk, rows, normalized, firstToken, width);
        }
        catch
        {
            // Kernels may still be writing to it.
            chunk.Lane.Settle();
            throw;
        }
        finally
        {
            memory.Dispose();
        }
    }

    private static void ReadStage(in DeviceChunk chunk, DeviceStage stage, OperandRows operands, FfnStageTrace trace, int firstToken)
    {
        int width = stage.Shape.Width;
        var layout = default(DeviceLayout);
        var places = new (long Offset, long Bytes)[4];
        foreach (ref (long Offset, long Bytes) place in places.AsSpan())
        {
            place = layout.Add((long)chunk.Tokens * width, sizeof(float));
        }

        DeviceMemory memory = chunk.Lane.Allocate(layout.Bytes, "Traced rows");
        try
        {
            DeviceRegion whole = memory.Region;
            DeviceRegion[] parts = [.. places.Select(place => DeviceLayout.Part(whole, place))];
            chunk.Kernels.TraceStage(chunk.Stream, chunk.Tokens, new TraceArguments
            {
                Product = chunk.Scratch.Products.Address,
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
                Activation = Activation.All.IndexOf(stage.Shape.Kind.Activation),
                Gated = stage.Shape.Kind.Gated ? 1 : 0,
            });
            float[]?[] arrays = [trace.PreActivation, trace.Activation, trace.Up, trace.Hidden];
            for (int i = 0; i < arrays.Length; i++)
            {
                if (arrays[i] is { } array)
                {
                    Copy(chunk, parts[i], array, firstToken, width);
                }
            }
        }
        catch
        {
            chunk.Lane.Settle();
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
    /// <param name="firstToken">The first one's place there.</param>
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

    private static unsafe void Copy(in DeviceChunk chunk, DeviceRegion source, float[] destination, int firstToken, int width)
    {
        Span<float> rows = destination.AsSpan(checked(firstToken * width), checked(chunk.Tokens * width));
        fixed (float* start = rows)
        {
            chunk.Stream.CopyToHost(source.Slice(0, Bytes(chunk.Tokens, width)), start);
            chunk.Stream.Synchronize();
        }
    }

    private static long Bytes(int tokens, int width) => (long)tokens * width * sizeof(float);
}
