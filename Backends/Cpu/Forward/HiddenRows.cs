using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Backends.Cpu.Weights;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>What follows the first stage's projections where it takes whole hidden rows: bias, sieve, activation and norm, in place.</summary>
internal static unsafe class HiddenRows
{
    /// <summary>gate = norm(act(sieve(gate + b)) ⊙ (up + b_up)), as far as the layer has them, for one token; traced where that was asked for.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="group">The group.</param>
    /// <param name="row">The token's row in the group.</param>
    /// <param name="gate">The activated projection; receives the result.</param>
    /// <param name="up">The up projection; null in a plain stage.</param>
    public static void Finish(CpuChunk chunk, in TokenGroup group, int row, float* gate, float* up)
    {
        long start = chunk.Now();
        FfnStage stage = group.Network.Stages[0];
        StageWeights weights = group.Network.Weights[0];
        FfnStageTrace? trace = chunk.Trace is { HiddenStages: [var traced, ..] } ? traced : null;
        int token = chunk.FirstToken + group.FirstToken + row;
        AddBias(gate, weights.Bias, stage.Width);
        AddBias(up, weights.UpBias, stage.Width);
        TraceRows.Copy(trace?.PreActivation, token, stage.Width, gate, 0, stage.Width);
        TraceRows.Copy(trace?.Up, token, stage.Width, up, 0, stage.Width);
        ActivationParameters parameters = stage.Kind.KnownParameters;
        if (parameters.SparsityMultiplier != 0)
        {
            SieveKernel.Apply(gate, parameters.SparsityMultiplier, stage.Width);
        }

        if (trace is not null)
        {
            TraceRows.Activation(trace, token, 0, stage.Width, gate, null);
        }

        if (up != null)
        {
            stage.Kind.Activation.Gated(gate, null, up, null, stage.Width, parameters);
        }
        else
        {
            stage.Kind.Activation.Plain(gate, null, stage.Width, parameters);
        }

        chunk.Add(FfnStep.Activation, start);
        Normalize(chunk, gate, stage.Width);
        TraceRows.Copy(trace?.Hidden, token, stage.Width, gate, 0, stage.Width);
    }

    private static void Normalize(CpuChunk chunk, float* row, int width)
    {
        if (chunk.Layer.Spec.InnerNorm is { } norm)
        {
            long start = chunk.Now();
            NormKernel.Apply(
                norm, chunk.Layer.Vector(FfnTensorRole.InnerNormWeight), chunk.Layer.Vector(FfnTensorRole.InnerNormBias), row, row, width);
            chunk.Add(FfnStep.Norm, start);
        }
    }

    private static void AddBias(float* row, float* bias, int width)
    {
        if (row != null && bias != null)
        {
            RowKernel.Add(row, row, bias, width);
        }
    }
}
