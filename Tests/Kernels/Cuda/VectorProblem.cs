using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>Weights and a few tokens in a kernel's memory, and their products in float64.</summary>
internal sealed class VectorProblem : IDisposable
{
    private readonly KernelRows? _bias;
    private readonly KernelRows? _channelScales;
    private readonly int _columns;

    /// <param name="precision">The formats.</param>
    /// <param name="rows">Outputs, padded to 16; a gated stage has as many again for up.</param>
    /// <param name="gated">Whether there is an up part.</param>
    /// <param name="columns">Columns, padded to 16.</param>
    /// <param name="tokens">Tokens.</param>
    /// <param name="extras">Whether there are bias (1), channel scales (2).</param>
    /// <param name="isWhole">Small whole numbers, whose sums are exact.</param>
    public VectorProblem(KernelPrecision precision, int rows, bool gated, int columns, int tokens, int extras, bool isWhole)
    {
        Rows = rows;
        PaddedRows = (rows + 15) / 16 * 16;
        Gated = gated;
        _columns = (columns + 15) / 16 * 16;
        int weightRows = gated ? 2 * PaddedRows : PaddedRows;
        var random = new Random(columns + rows);
        double Value() => isWhole ? random.Next(-3, 4) : (random.NextDouble() * 2) - 1;
        Weights = KernelRows.Own(precision.Weight, weightRows, _columns, 16 * (columns % 2))
            .Set((row, column) => row % PaddedRows < rows && column < columns ? Value() : 0);
        Vectors = KernelRows.Own(precision.Vector, tokens, _columns, 16 * (rows % 2)).Set((_, column) => column < columns ? Value() : 0);
        if ((extras & 1) != 0)
        {
            _bias = KernelRows.Own(NumberFormat.Float32, 1, weightRows)
                .Set((_, row) => row % PaddedRows < rows ? random.NextDouble() - 0.5 : 0);
        }

        if ((extras & 2) != 0)
        {
            _channelScales = KernelRows.Own(NumberFormat.Float32, 1, weightRows)
                .Set((_, row) => row % PaddedRows < rows ? random.NextDouble() + 0.5 : 0);
        }
    }

    public KernelRows Weights { get; }

    public KernelRows Vectors { get; }

    public int Rows { get; }

    public int PaddedRows { get; }

    public bool Gated { get; }

    public double Dot(int token, int row) => Enumerable.Range(0, _columns).Sum(column => Weights[row, column] * Vectors[token, column]);

    /// <summary>The scaled product with its bias.</summary>
    public double Value(int token, int row) => (Dot(token, row) * (_channelScales?[0, row] ?? 1)) + (_bias?[0, row] ?? 0);

    /// <summary>How far a float32 kernel may be off.</summary>
    public double Error(int token, int row) =>
        Tolerances.OfDot(
            _columns,
            (Enumerable.Range(0, _columns).Sum(column => Math.Abs(Weights[row, column] * Vectors[token, column])) * (_channelScales?[0, row] ?? 1))
            + Math.Abs(_bias?[0, row] ?? 0));

    public VectorStageArguments StageArguments(KernelRows output, Activation activation, int first = 0, int? tokens = null) => new()
    {
        Weights = Weights.Pointer,
        WeightStride = Weights.Stride,
        Vectors = Vectors.Pointer + (first * Vectors.Stride * Vectors.Format.Bytes),
        VectorStride = Vectors.Stride,
        Output = output.Pointer + (first * output.Stride * output.Format.Bytes),
        OutputStride = output.Stride,
        Bias = _bias?.Pointer ?? 0,
        ChannelScales = _channelScales?.Pointer ?? 0,
        Tokens = tokens ?? Vectors.Count,
        Columns = _columns,
        PaddedWidth = PaddedRows,
        Width = Rows,
        Kind = KindArguments.Of(new FfnKind(Gated, activation)),
    };

    public VectorResultArguments ResultArguments(KernelRows output, KernelRows? residual, int first = 0, int? tokens = null) => new()
    {
        Weights = Weights.Pointer,
        WeightStride = Weights.Stride,
        Vectors = Vectors.Pointer + (first * Vectors.Stride * Vectors.Format.Bytes),
        VectorStride = Vectors.Stride,
        Output = output.Pointer + (first * output.Stride * output.Format.Bytes),
        OutputStride = output.Stride,
        Residual = residual?.Pointer ?? 0,
        ResidualStride = residual?.Stride ?? 0,
        Bias = _bias?.Pointer ?? 0,
        ChannelScales = _channelScales?.Pointer ?? 0,
        Tokens = tokens ?? Vectors.Count,
        Columns = _columns,
        Width = Rows,
    };

    public void Dispose()
    {
        Weights.Dispose();
        Vectors.Dispose();
        _bias?.Dispose();
        _channelScales?.Dispose();
    }
}
