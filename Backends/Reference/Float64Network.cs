using System.Collections.Immutable;
using System.Diagnostics;

namespace NativeFfn.Backends.Reference;

/// <summary>The projections and activations of a layer in float64.</summary>
/// <param name="spec">The layer.</param>
/// <param name="weights">Its weights, which are read in pieces for every use.</param>
/// <param name="profile">Receives the times of the steps where one is given.</param>
internal sealed class Float64Network(FfnSpec spec, IFfnWeightSource weights, FfnProfile? profile)
{
    // 4 MiB of float32: large reads, and yet little beside a layer.
    private const int PieceElements = 1024 * 1024;

    /// <summary>Runs stages one after the other.</summary>
    /// <param name="stages">The stages.</param>
    /// <param name="x">Rows going in.</param>
    /// <param name="expert">Whose they are in a mixture, or <see cref="FfnTensor.NoExpert"/>.</param>
    /// <param name="trace">Receives what the hidden stages compute where one is given.</param>
    public double[] Run(ImmutableArray<FfnStage> stages, double[] x, int expert, FfnTrace? trace = null)
    {
        for (int i = 0; i < stages.Length; i++)
        {
            double[] gate = Project(x, new TensorKey(FfnTensorRole.Weight, i, expert), new TensorKey(FfnTensorRole.Bias, i, expert));
            double[]? up = stages[i].Kind.Gated
                ? Project(x, new TensorKey(FfnTensorRole.UpWeight, i, expert), new TensorKey(FfnTensorRole.UpBias, i, expert))
                : null;
            FfnStageTrace? traced = i < trace?.HiddenStages.Length ? trace.HiddenStages[i] : null;
            x = Activate(stages[i], gate, up, traced);
            if (i == 0 && spec.InnerNorm is { } norm)
            {
                Normalize(norm, x, traced);
            }
        }

        return x;
    }

    /// <summary>x · Wᵀ + b</summary>
    /// <param name="x">The rows.</param>
    /// <param name="matrix">W.</param>
    /// <param name="vector">b, which the layer need not have.</param>
    public double[] Project(double[] x, TensorKey matrix, TensorKey? vector = null)
    {
        long start = Stopwatch.GetTimestamp();
        FfnTensor weight = spec.Find(matrix)!;
        float[] bias = vector is { } key ? ReadVector(key) : [];
        int tokens = x.Length / weight.Columns;
        double[] y = new double[checked(tokens * weight.Rows)];
        int pieceRows = Math.Clamp(PieceElements / weight.Columns, 1, weight.Rows);
        float[] piece = new float[pieceRows * weight.Columns];
        for (int first = 0; first < weight.Rows; first += pieceRows)
        {
            int rows = Math.Min(pieceRows, weight.Rows - first);
            weights.ReadRows(weight, first, piece.AsSpan(0, rows * weight.Columns));
            for (int row = 0; row < rows; row++)
            {
                ReadOnlySpan<float> w = piece.AsSpan(row * weight.Columns, weight.Columns);
                double offset = bias.Length == 0 ? 0 : bias[first + row];
                for (int token = 0; token < tokens; token++)
                {
                    y[(token * weight.Rows) + first + row] = Dot(x.AsSpan(token * weight.Columns, weight.Columns), w) + offset;
                }
            }
        }

        AddTime(FfnStep.Gemm, start);
        return y;
    }

    /// <summary>A vector of the layer; empty where it has none such.</summary>
    public float[] ReadVector(TensorKey key)
    {
        if (spec.Find(key) is not { } tensor)
        {
            return [];
        }

        float[] values = new float[tensor.Columns];
        weights.ReadRows(tensor, 0, values);
        return values;
    }

    /// <summary>x · w, by the plain sum.</summary>
    public static double Dot(ReadOnlySpan<double> x, ReadOnlySpan<float> w)
    {
        double sum = 0;
        for (int i = 0; i < w.Length; i++)
        {
            sum += x[i] * w[i];
        }

        return sum;
    }

    /// <summary>Adds the time since a time stamp to a step of the profile.</summary>
    public void AddTime(FfnStep step, long start) => profile?.Add(step, Stopwatch.GetTimestamp() - start);

    private void Normalize(NormSpec norm, double[] rows, FfnStageTrace? trace)
    {
        long start = Stopwatch.GetTimestamp();
        float[] weight = ReadVector(new TensorKey(FfnTensorRole.InnerNormWeight));
        float[] bias = ReadVector(new TensorKey(FfnTensorRole.InnerNormBias));
        for (int first = 0; first < rows.Length; first += spec.DFf)
        {
            Float64Rows.Normalize(norm, rows.AsSpan(first, spec.DFf), weight, bias);
        }

        AddTime(FfnStep.Norm, start);
        if (trace is not null)
        {
            WideRows.Round(rows, trace.Hidden);
        }
    }

    private double[] Activate(FfnStage stage, double[] gate, double[]? up, FfnStageTrace? trace)
    {
        long start = Stopwatch.GetTimestamp();
        FfnKind kind = stage.Kind;
        ActivationParameters parameters = kind.KnownParameters;
        double[] passed = gate;
        if (parameters.SparsityMultiplier != 0)
        {
            passed = [.. gate];
            for (int first = 0; first < passed.Length; first += stage.Width)
            {
                Float64Rows.Sieve(passed.AsSpan(first, stage.Width), parameters.SparsityMultiplier);
            }
        }

        double factor = parameters.InputFactor;
        double[] activated = Array.ConvertAll(passed, x => kind.Activation.Apply(factor * x, parameters));
        double[] hidden = up is null ? activated : [.. activated.Zip(up, (y, other) => kind.Activation.Gate(y, other, parameters))];
        AddTime(FfnStep.Activation, start);
        if (trace is not null)
        {
            WideRows.Round(gate, trace.PreActivation);
            WideRows.Round(activated, trace.Activation);
            WideRows.Round(up, trace.Up);
            WideRows.Round(hidden, trace.Hidden);
        }

        return hidden;
    }
}
