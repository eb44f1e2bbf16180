using NativeFfn.Backends.Cpu.Kernels;

namespace NativeFfn.Backends.Cpu.Steps;

/// <summary>What follows a stage's products, on part of one token's row.</summary>
internal static unsafe class StageRows
{
    /// <summary>gate = act(gate + b), times (up + b_up) where the stage is gated; traced where that was asked for.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="stage">The stage.</param>
    /// <param name="row">The token's row in the chunk.</param>
    /// <param name="firstColumn">The first column of the part.</param>
    /// <param name="columns">Columns of the part.</param>
    /// <param name="gate">The activated projection's part; receives the result.</param>
    /// <param name="up">The up projection's part; not read where the stage is plain.</param>
    public static void Activate(in CpuChunk chunk, int stage, int row, int firstColumn, int columns, float* gate, float* up)
    {
        FfnStage shape = chunk.Weights.Spec.Stages[stage];
        CpuWeights.StageWeights weights = chunk.Weights.Stages[stage];
        bool isHidden = stage < chunk.Weights.Spec.Stages.Length - 1;
        float* linear = shape.Kind.Gated ? up : null;
        float* bias = weights.Bias == null ? null : weights.Bias + firstColumn;
        float* upBias = weights.UpBias == null ? null : weights.UpBias + firstColumn;
        FfnStageTrace? trace = isHidden ? chunk.Trace?.HiddenStages[stage] : null;
        if (trace is not null)
        {
            CpuTracing.BeforeActivation(trace, chunk.FirstToken + row, firstColumn, columns, gate, bias, linear, upBias);
        }

        if (shape.Kind.Gated)
        {
            shape.Kind.Activation.Gated(gate, bias, linear, upBias, columns, shape.Kind.KnownParameters);
        }
        else if (shape.Kind != FfnKind.Linear || bias != null)
        {
            shape.Kind.Activation.Plain(gate, bias, columns, shape.Kind.KnownParameters);
        }

        CpuTracing.Row(trace?.Hidden, chunk.FirstToken + row, shape.Width, gate, firstColumn, columns);
    }

    /// <summary>output = residual + branch, or the branch alone where there is no residual.</summary>
    public static void WriteOutput(in CpuChunk chunk, int row, int firstColumn, int columns, float* branch)
    {
        float* output = chunk.Output.Row(row) + firstColumn;
        if (chunk.Residual.IsNull)
        {
            RowKernel.Copy(output, branch, columns);
        }
        else
        {
            RowKernel.Add(output, chunk.Residual.Row(row) + firstColumn, branch, columns);
        }
    }
}
