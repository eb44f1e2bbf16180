using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>A stage's product with its scales and bias in a kernel's memory, and what comes of it in float64.</summary>
internal sealed class StageOracle : IDisposable
{
    private readonly KernelRows? _bias;
    private readonly KernelRows? _channelScales;
    private readonly KernelRows? _tokenScales;
    private readonly bool _gated;
    private readonly int _padded;

    /// <param name="precision">The product's format.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Columns of each part.</param>
    /// <param name="gated">Whether there is an up part.</param>
    /// <param name="extras">Whether there are bias (1), channel scales (2), token scales (4).</param>
    /// <param name="value">An element of the product, by token and column; columns of up come after padded_width.</param>
    public StageOracle(KernelPrecision precision, int tokens, int width, bool gated, int extras, Func<int, int, double> value)
    {
        _gated = gated;
        _padded = (width + 15) / 16 * 16;
        int columns = gated ? 2 * _padded : _padded;
        Width = width;
        Product = KernelRows.Own(precision.Product, tokens, columns, 16 * (width % 2))
            .Set((token, column) => column % _padded < width ? value(token, column) : 0);
        var random = new Random(width);
        KernelRows? Row(int extra, int length, double least) => (extras & extra) == 0
            ? null
            : KernelRows.Own(NumberFormat.Float32, 1, (length + 15) / 16 * 16)
                .Set((_, column) => column % _padded < width ? random.NextDouble() + least : 0);
        _bias = Row(1, columns, -0.5);
        _channelScales = Row(2, columns, 0.5);
        _tokenScales = (extras & 4) == 0
            ? null
            : KernelRows.OfCaller(1, tokens, tokens, GuardSide.After).Set((_, _) => random.NextDouble() + 0.5);
    }

    public KernelRows Product { get; }

    public int Width { get; }

    public nint Bias => _bias?.Pointer ?? 0;

    public nint ChannelScales => _channelScales?.Pointer ?? 0;

    public nint TokenScales => _tokenScales?.Pointer ?? 0;

    /// <summary>The gate before its activation.</summary>
    public double PreActivation(int token, int column) =>
        (Product[token, column] * (_channelScales?[0, column] ?? 1) * (_tokenScales?[0, token] ?? 1)) + (_bias?[0, column] ?? 0);

    public double Up(int token, int column) => _gated ? PreActivation(token, _padded + column) : 1;

    public double Activated(Activation activation, int token, int column) =>
        ReferenceMath.Activate(activation, PreActivation(token, column));

    public double Hidden(Activation activation, int token, int column) => Activated(activation, token, column) * Factor(activation, token, column);

    /// <summary>What the activated gate is multiplied with.</summary>
    public double Factor(Activation activation, int token, int column) =>
        _gated ? ReferenceMath.Factor(activation, Up(token, column)) : 1;

    /// <summary>How far float32 may be off before the activation.</summary>
    public double ErrorOfPreActivation(int token, int column)
    {
        double scaled = Math.Abs(Product[token, column] * (_channelScales?[0, column] ?? 1) * (_tokenScales?[0, token] ?? 1));
        return double.IsFinite(scaled) ? Tolerances.OfKernel(scaled + Math.Abs(_bias?[0, column] ?? 0)) : 0;
    }

    /// <summary>The same after it: no activation but a square more than doubles an error.</summary>
    public double ErrorOfHidden(Activation activation, int token, int column)
    {
        double x = PreActivation(token, column);
        double steepness = (activation == Activation.SquaredRelu || activation == Activation.Xielu) && double.IsFinite(x) ? 2 * Math.Max(1, Math.Abs(x)) : 2;
        double activated = (steepness * ErrorOfPreActivation(token, column))
            + Tolerances.OfActivation(activation, Activated(activation, token, column));
        return (activated * Math.Abs(Factor(activation, token, column)))
            + (_gated ? ErrorOfPreActivation(token, _padded + column) * Math.Abs(Activated(activation, token, column)) : 0)
            + Tolerances.OfKernel(Hidden(activation, token, column));
    }

    public void Dispose()
    {
        Product.Dispose();
        _bias?.Dispose();
        _channelScales?.Dispose();
        _tokenScales?.Dispose();
    }
}
