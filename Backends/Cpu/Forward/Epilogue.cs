using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Backends.Cpu.Weights;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>The epilogue of a stage's products, on some columns of tokens' rows.</summary>
internal static unsafe class Epilogue
{
    /// <summary>gate = act(gate + b), times (up + b_up) where the stage is gated; traced where that was asked for.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="group">The group.</param>
    /// <param name="stage">The stage.</param>
    /// <param name="firstRow">The first token's row in the group.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="firstColumn">The first of the columns.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="gate">The activated projection's columns; receives the result.</param>
    /// <param name="up">The up projection's columns; not read where the stage is plain.</param>
    public static void Activate(
        CpuChunk chunk, in TokenGroup group, int stage, int firstRow, int rows, int firstColumn, int columns, Matrix gate, Matrix up)
    {
        FfnStage shape = group.Network.Stages[stage];
        StageWeights weights = group.Network.Weights[stage];
        FfnKind kind = shape.Kind;
        float* bias = weights.Bias == null ? null : weights.Bias + firstColumn;
        float* upBias = weights.UpBias == null ? null : weights.UpBias + firstColumn;
        FfnStageTrace? trace = chunk.Trace is { HiddenStages: var traced } && stage < traced.Length ? traced[stage] : null;
        if (trace is null && kind.Activation == Activation.Identity && kind.Parameters is null && !kind.Gated && bias == null)
        {
            return;
        }

        for (int i = 0; i < rows; i++)
        {
            int token = chunk.FirstToken + group.FirstToken + firstRow + i;
            float* row = gate.Row(i);
            float* linear = kind.Gated ? up.Row(i) : null;
            if (trace is not null)
            {
                TraceRows.BeforeActivation(trace, token, firstColumn, columns, row, bias, linear, upBias);
            }

            if (kind.Gated)
            {
                kind.Activation.Gated(row, bias, linear, upBias, columns, kind.KnownParameters);
            }
            else
            {
                kind.Activation.Plain(row, bias, columns, kind.KnownParameters);
            }

            TraceRows.Copy(trace?.Hidden, token, shape.Width, row, firstColumn, columns);
        }
    }

    /// <summary>Writes columns of results: to the group's results, or to the output with the residual.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="group">The group.</param>
    /// <param name="firstRow">The first token's row in the group.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="firstColumn">The first of the columns.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="result">The columns.</param>
    public static void Write(CpuChunk chunk, in TokenGroup group, int firstRow, int rows, int firstColumn, int columns, Matrix result)
    {
        if (chunk.Results.IsNull)
        {
            for (int i = 0; i < rows; i++)
            {
                WriteOutput(chunk, group.FirstToken + firstRow + i, firstColumn, columns, result.Row(i));
            }
        }
        else
        {
            Matrix results = chunk.Results.From(group.FirstRow + firstRow);
            for (int i = 0; i < rows; i++)
            {
                RowKernel.Copy(results.Row(i) + firstColumn, result.Row(i), columns);
            }
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
