using System.Runtime.CompilerServices;
using NativeFfn.Backends.Cpu.Gemm.Assembled;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>The panels of a kernel in C# with 512-bit vectors, multiplied by assembled code.</summary>
internal sealed unsafe class AssembledPanelKernel : PanelKernel
{
    private readonly PanelKernel _panels;
    private readonly TileForm _tile;
    private readonly TileCode _code;

    private AssembledPanelKernel(PanelKernel panels, TokenForm form, TileForm tile, TileCode code)
        : base(panels.Encoding, panels.Rows, panels.MostTokens) => (_panels, Form, _tile, _code) = (panels, form, tile, code);

    public override TokenForm Form { get; }

    public override string? Instruction => DotProducts.NameOf(_tile.Product);

    // Nothing is gained by widening weights that are multiplied as they are.
    public override int TilesWorthWidening => int.MaxValue;

    public override PanelKernel Widened => this;

    protected override bool AsksInAnyCase => _tile.Weights == PanelWeights.Int4;

    protected override int StepsOfGroup => _tile.Product == DotProduct.BFloat16 ? PanelFormat.GroupColumns / 2 / BFloat16Tile.PairsOfStep : 1;

    /// <summary>The best instruction here for tokens of a type, or the one that is missing; null where those are multiplied as floats.</summary>
    public static DotProduct? ProductOf(TokenType tokens) => tokens switch
    {
        TokenType.BFloat16 => DotProducts.WhyNot(DotProduct.BFloat16Matrices) is null ? DotProduct.BFloat16Matrices : DotProduct.BFloat16,
        TokenType.Int8 => DotProduct.Bytes,
        TokenType.Int16 => DotProduct.Words,
        _ => null,
    };

    /// <summary>What tiles an encoding has for tokens of a type; null where those in C# are as good.</summary>
    public static TileForm? TileOf(WeightEncoding encoding, TokenType tokens) => ProductOf(tokens) switch
    {
        null => null,
        DotProduct.BFloat16 => TileForm.BFloat16,
        DotProduct.BFloat16Matrices => TileForm.BFloat16Matrices,
        { } product => new TileForm(product, WeightsOf(encoding), HeadOf(encoding)),
    };

    /// <summary>The kernel of an encoding; null where there is none, or not on this machine.</summary>
    /// <param name="encoding">The encoding.</param>
    /// <param name="tokens">What tokens are while they are multiplied.</param>
    public static PanelKernel? Assemble(WeightEncoding encoding, TokenType tokens)
    {
        if (TileOf(encoding, tokens) is not { } tile || TileCode.Of(tile) is not { WhyNot: null } code)
        {
            return null;
        }

        return new AssembledPanelKernel(OfVectors(encoding, tokens), FormOf(tile), tile, code);
    }

    /// <summary>How a tile wants tokens.</summary>
    public static TokenForm FormOf(TileForm tile) => tile.Product switch
    {
        DotProduct.BFloat16 => TokenForm.BFloat16,
        DotProduct.BFloat16Matrices => TokenForm.BFloat16ByToken,
        DotProduct.Words => TokenForm.Words,
        _ => (tile.Weights == PanelWeights.Int8 ? TokenForm.BytesForBytes : TokenForm.BytesForHalves) with
        {
            Parts = tile.Head == PanelGroupHead.Float32Halves ? 2 : 1,
        },
    };

    /// <summary>What multiplies in a precision, and why it is C# where it is.</summary>
    public static KernelDescription Describe(FfnPrecision precision, WeightEncoding encoding)
    {
        string vectors = $"C#, {SimdWidth.Description}";
        if (TileOf(encoding, TokenTypes.Of(precision)) is not { } tile)
        {
            return new KernelDescription(precision, vectors, null, null);
        }

        TileCode code = TileCode.Of(tile);
        return code.WhyNot is { } reason
            ? new KernelDescription(precision, vectors, null, $"{DotProducts.NameOf(tile.Product)}: {reason}")
            : new KernelDescription(precision, DotProducts.NameOf(tile.Product), code.Time.TotalMilliseconds, null);
    }

    public override long BytesOf(int columnGroups) => _panels.BytesOf(columnGroups);

    public override void Pack(ReadOnlySpan<byte> rows, int columns, byte* panel) => _panels.Pack(rows, columns, panel);

    public override void Unpack(byte* panel, int columns, int firstGroup, int groups, float* destination, long stride) =>
        _panels.Unpack(panel, columns, firstGroup, groups, destination, stride);

    [SkipLocalsInit]
    protected override void MultiplyTile(int size, in PanelColumns columns, float* tokens, byte* next, int lines, float* tile, bool accumulate)
    {
        TileArguments arguments;
        arguments.Steps = (long)columns.Groups * StepsOfGroup;
        arguments.Weights = columns.Weights;
        arguments.Tokens = tokens;
        arguments.Sums = tile;
        arguments.Next = next;
        arguments.Lines = lines;
        arguments.Accumulate = accumulate ? 1 : 0;
        _code.Run(size, &arguments);
    }

    private static PanelWeights WeightsOf(WeightEncoding encoding) => encoding.IntegerBits == 4 ? PanelWeights.Int4 : PanelWeights.Int8;

    // As the kernels in C# store them.
    private static PanelGroupHead HeadOf(WeightEncoding encoding) =>
        encoding == WeightEncodings.Int4 ? PanelGroupHead.BFloat16Scales
        : encoding.HasHalves ? PanelGroupHead.Float32Halves
        : encoding.HasOffsets ? PanelGroupHead.Float32Offsets
        : PanelGroupHead.Float32Scales;
}
