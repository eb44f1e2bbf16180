using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Backends.Cpu.Weights;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>The epilogue of a stage's products, on part of one token's row.</summary>
internal static unsafe class Epilogue
{
    /// <summary>gate = act(gate + b), times (up + b_up) where the stage is gated; traced where that was asked for.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="group">The group.</param>
    /// <param name="stage">The stage.</param>
    /// <param name="row">The token's row in the group.</param>
    /// <param name="firstColumn">The first column of the part.</param>
    /// <param name="columns">Columns of the part.</param>
    /// <param name="gate">The activated projection's part; receives the result.</param>
    /// <param name="up">The up projection's part; not read where the stage is plain.</param>
    public static void Activate(
        CpuChunk chunk, in TokenGroup group, int stage, int row, int firstColumn, int columns, float* gate, float* up)
    {
        FfnStage shape = group.Network.Stages[stage];
        StageWeights weights = group.Network.Weights[stage];
        float* linear = shape.Kind.Gated ? up : null;
        float* bias = weights.Bias == null ? null : weights.Bias + firstColumn;
        float* upBias = weights.UpBias == null ? null : weights.UpBias + firstColumn;
        FfnStageTrace? trace = chunk.Trace is { HiddenStages: var traced } && stage < traced.Length ? traced[stage] : null;
        int token = chunk.FirstToken + group.FirstToken + row;
        if (trace is not null)
        {
            TraceRows.BeforeActivation(trace, token, firstColumn, columns, gate, bias, linear, upBias);
        }

        FfnKind kind = shape.Kind;
        if (kind.Gated)
        {
            kind.Activation.Gated(gate, bias, linear, upBias, columns, kind.KnownParameters);
        }
        else if (kind.Activation != Activation.Identity || kind.Parameters is not null || bias != null)
        {
            kind.Activation.Plain(gate, bias, columns, kind.KnownParameters);
        }

        TraceRows.Copy(trace?.Hidden, token, shape.Width, gate, firstColumn, columns);
    }

    /// <summary>Writes part of a result: to the group's results, or to the output with the residual.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="group">The group.</param>
    /// <param name="row">The token's row in the group.</param>
    /// <param name="firstColumn">The first column of the part.</param>
    /// <param name="columns">Columns of the part.</param>
    /// <param name="result">The part.</param>
    public static void Write(CpuChunk chunk, in TokenGroup group, int row, int firstColumn, int columns, float* result)
    {
        if (chunk.Results.IsNull)
        {
            WriteOutput(chunk, group.FirstToken + row, firstColumn, columns, result);
        }
        else
        {
            RowKernel.Copy(chunk.Results.Row(group.FirstRow + row) + firstColumn, result, columns);
        }
    }

    /// <summary>output = residual + branch, or the branch alone where there is no residual.</summary>
    public static void WriteOutput(CpuChunk chunk, int token, int firstColumn, int columns, float* branch)
    {
        float* output = chunk.Output.Row(token) + firstColumn;
        if (chunk.Residual.IsNull)
        {
            RowKernel.Copy(output, branch, columns);
        }
        else
        {
            RowKernel.Add(output, chunk.Residual.Row(token) + firstColumn, branch, columns);
        }
    }
}
