using System.Collections.Immutable;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>How the weights of a panel lie that assembled tiles multiply.</summary>
internal enum PanelWeights
{
    /// <summary>bfloat16, in pairs of columns.</summary>
    BFloat16,

    /// <summary>8-bit integers, four columns in a lane.</summary>
    Int8,

    /// <summary>4-bit integers, eight columns in a lane.</summary>
    Int4,

    /// <summary>Integers as an instruction multiplies them, lane after lane: unsigned bytes, or words.</summary>
    Lanes,
}

/// <summary>What stands at the head of a group of integers.</summary>
internal enum PanelGroupHead
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>A bfloat16 scale for each row.</summary>
    BFloat16Scales,

    /// <summary>A float32 scale for each row.</summary>
    Float32Scales,

    /// <summary>A float32 scale for each row, then a float32 offset for each.</summary>
    Float32Offsets,

    /// <summary>A float32 scale for each row, and the same between the halves of the group.</summary>
    Float32Halves,
}

/// <summary>What assembled tiles multiply, and with which instruction.</summary>
/// <param name="Product">The instruction.</param>
/// <param name="Weights">The weights.</param>
/// <param name="Head">What stands at the head of a group.</param>
internal readonly record struct TileForm(DotProduct Product, PanelWeights Weights, PanelGroupHead Head)
{
    private static readonly PanelGroupHead[] IntegerHeads =
        [PanelGroupHead.BFloat16Scales, PanelGroupHead.Float32Scales, PanelGroupHead.Float32Offsets, PanelGroupHead.Float32Halves];

    /// <summary>bfloat16.</summary>
    public static TileForm BFloat16 => new(DotProduct.BFloat16, PanelWeights.BFloat16, PanelGroupHead.None);

    /// <summary>bfloat16 by AMX.</summary>
    public static TileForm BFloat16Matrices => BFloat16 with { Product = DotProduct.BFloat16Matrices };

    /// <summary>Whether matrices of tokens are multiplied, by AMX.</summary>
    public bool IsOfMatrices => Product is DotProduct.BFloat16Matrices or DotProduct.ByteMatrices or DotProduct.WordMatrices;

    /// <summary>Parts of a group with a head each.</summary>
    public int Parts => Head == PanelGroupHead.Float32Halves ? 2 : 1;

    /// <summary>The same by vectors, for integers with the same bits.</summary>
    public TileForm OfVectors => this with
    {
        Product = Product switch
        {
            DotProduct.BFloat16Matrices => DotProduct.BFloat16,
            DotProduct.ByteMatrices => DotProduct.Bytes,
            DotProduct.WordMatrices => DotProduct.Words,
            _ => Product,
        },
    };

    /// <summary>The same by vectors of integers that are unpacked already, with float32 at the head of a group.</summary>
    public TileForm OfLanes => this with
    {
        Weights = PanelWeights.Lanes,
        Head = Head == PanelGroupHead.BFloat16Scales ? PanelGroupHead.Float32Scales : Head,
    };

    /// <summary>Every form.</summary>
    public static ImmutableArray<TileForm> All { get; } =
    [
        BFloat16,
        BFloat16Matrices,
        .. from product in (DotProduct[])[DotProduct.Bytes, DotProduct.ByteMatrices, DotProduct.Words, DotProduct.WordMatrices]
           from weights in (PanelWeights[])[PanelWeights.Int8, PanelWeights.Int4]
           from head in IntegerHeads
           select new TileForm(product, weights, head),
        .. from product in (DotProduct[])[DotProduct.Bytes, DotProduct.Words]
           from head in IntegerHeads
           where head != PanelGroupHead.BFloat16Scales
           select new TileForm(product, PanelWeights.Lanes, head),
    ];

    /// <inheritdoc/>
    public override string ToString() => $"{DotProducts.NameOf(Product)} of {Weights}{(Head == PanelGroupHead.None ? "" : $" with {Head}")}";
}

/// <summary>A tile as it is assembled.</summary>
/// <param name="Tokens">Tokens that it multiplies.</param>
/// <param name="Stride">Those and the ones that fill the tile: from one lane of a token to its next.</param>
internal readonly record struct TileShape(int Tokens, int Stride);
