using System.Runtime.CompilerServices;
using NativeFfn.Backends.Cpu.Gemm.Assembled;
using NativeFfn.Backends.Cpu.Gemm.Managed.Integers;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>The panels of a kernel in C# with 512-bit vectors, multiplied by assembled code.</summary>
internal sealed unsafe class AssembledPanelKernel : PanelKernel
{
    // Fewer tiles save less than writing and reading what is unpacked costs: 6 of 12 tokens, where 4 break even.
    private const int TilesWorthUnpacking = 5;

    private readonly PanelKernel _panels;
    private readonly TileForm _tile;
    private readonly TileCode _code;
    private readonly bool _isOfMatrices;

    // Multiplies what is unpacked once for several tiles; null where each unpacks it.
    private readonly TileCode? _lanes;

    private AssembledPanelKernel(PanelKernel panels, TokenForm form, TileForm tile, TileCode code, TileCode? lanes)
        : base(panels.Encoding, panels.Rows, panels.MostTokens) =>
        (_panels, Form, _tile, _code, _isOfMatrices, _lanes) = (panels, form, tile, code, tile.IsOfMatrices, lanes);

    public override TokenForm Form { get; }

    public override string? Instruction => DotProducts.NameOf(_tile.Product);

    // Nothing is gained by widening weights that are multiplied as they are.
    public override int TilesWorthWidening => int.MaxValue;

    public override PanelKernel Widened => this;

    protected override bool AsksForFewTokens => base.AsksForFewTokens || _tile.Weights == PanelWeights.Int4;

    protected override int StepsOfGroup => _tile.Product == DotProduct.BFloat16 ? PanelFormat.GroupColumns / 2 / BFloat16Tile.PairsOfStep : 1;

    // What is widened has to stay in cache.
    public override int GroupsAtATime => _isOfMatrices ? BlockGroups : base.GroupsAtATime;

    /// <summary>The best instruction here for tokens of a type, or the one that is missing; null where those are multiplied as floats.</summary>
    public static DotProduct? ProductOf(TokenType tokens) => tokens switch
    {
        TokenType.BFloat16 => DotProducts.WhyNot(DotProduct.BFloat16Matrices) is null ? DotProduct.BFloat16Matrices : DotProduct.BFloat16,
        TokenType.Int8 => DotProducts.WhyNot(DotProduct.ByteMatrices) is null ? DotProduct.ByteMatrices : DotProduct.Bytes,
        TokenType.Int16 => DotProducts.WhyNot(DotProduct.WordMatrices) is null ? DotProduct.WordMatrices : DotProduct.Words,
        _ => null,
    };

    /// <summary>What tiles an encoding has for tokens of a type; null where those in C# are as good.</summary>
    public static TileForm? TileOf(WeightEncoding encoding, TokenType tokens) => ProductOf(tokens) is { } product ? TileOf(encoding, product) : null;

    /// <summary>The tiles by an instruction of an encoding that it multiplies.</summary>
    public static TileForm TileOf(WeightEncoding encoding, DotProduct product) => product switch
    {
        DotProduct.BFloat16 => TileForm.BFloat16,
        DotProduct.BFloat16Matrices => TileForm.BFloat16Matrices,
        _ => new TileForm(product, WeightsOf(encoding), HeadOf(encoding)),
    };

    /// <summary>The kernel of an encoding; null where there is none, or not on this machine.</summary>
    /// <param name="encoding">The encoding.</param>
    /// <param name="tokens">What tokens are while they are multiplied.</param>
    public static PanelKernel? Assemble(WeightEncoding encoding, TokenType tokens)
    {
        if (TileOf(encoding, tokens) is not { } tile || DotProducts.WhyUnused(tile.Product) is not null || TileCode.Of(tile) is not { WhyNot: null } code)
        {
            return null;
        }

        return With(encoding, tokens, tile, code, UnpacksOnce(tile) && TileCode.Of(tile.OfLanes) is { WhyNot: null } lanes ? lanes : null);
    }

    /// <summary>The kernel of an encoding with tiles that somebody runs.</summary>
    /// <param name="encoding">The encoding.</param>
    /// <param name="tokens">What tokens are while they are multiplied.</param>
    /// <param name="tile">The tiles.</param>
    /// <param name="code">Runs them.</param>
    /// <param name="lanes">Runs those of <see cref="TileForm.OfLanes"/>; null where each tile is to unpack weights for itself.</param>
    public static PanelKernel With(WeightEncoding encoding, TokenType tokens, TileForm tile, TileCode code, TileCode? lanes = null) =>
        new AssembledPanelKernel(OfVectors(encoding, tokens), FormOf(tile), tile, code, lanes);

    /// <summary>How a tile wants tokens.</summary>
    public static TokenForm FormOf(TileForm tile) => tile.Product switch
    {
        DotProduct.BFloat16 => TokenForm.BFloat16,
        DotProduct.BFloat16Matrices => TokenForm.BFloat16ByToken,
        DotProduct.Words => TokenForm.SplitWords(SplitWordTile.MostTokens),
        DotProduct.Bytes => (tile.Weights == PanelWeights.Int8 ? TokenForm.BytesForBytes : TokenForm.BytesForHalves) with { Parts = tile.Parts },
        _ => FormOf(tile.OfVectors) with { FewestByToken = IntegerMatrixTile.FewestTokens },
    };

    /// <summary>What multiplies in a precision, and why it is C# where it is.</summary>
    public static KernelDescription Describe(FfnPrecision precision, WeightEncoding encoding)
    {
        string vectors = $"C#, {SimdWidth.Description}";
        if (TileOf(encoding, TokenTypes.Of(precision)) is not { } tile)
        {
            return new KernelDescription(precision, vectors, null, null);
        }

        string instruction = DotProducts.NameOf(tile.Product);
        if ((DotProducts.WhyUnused(tile.Product) ?? TileCode.Of(tile).WhyNot) is { } reason)
        {
            return new KernelDescription(precision, vectors, null, $"{instruction}: {reason}");
        }

        return new KernelDescription(precision, instruction, TileCode.Of(tile).Time.TotalMilliseconds, null);
    }

    public override long BytesOf(int columnGroups) => _panels.BytesOf(columnGroups);

    public override void Pack(ReadOnlySpan<byte> rows, int columns, byte* panel) => _panels.Pack(rows, columns, panel);

    public override void Unpack(byte* panel, int columns, int firstGroup, int groups, float* destination, long stride) =>
        _panels.Unpack(panel, columns, firstGroup, groups, destination, stride);

    public override void Multiply(
        byte* weights, int columnGroups, TokenPanels tokens, long firstColumn, int firstTile, int endTile, float* sums, bool accumulate,
        byte* next, int nextBytes)
    {
        var columns = new PanelColumns(weights, columnGroups);
        if (_isOfMatrices)
        {
            MultiplyMatrices(columns, tokens, firstColumn, firstTile, endTile, sums, accumulate, next, nextBytes);
        }
        else if (_lanes is not null && endTile - firstTile >= TilesWorthUnpacking)
        {
            MultiplyUnpacked(columns, tokens, firstColumn, firstTile, endTile, sums, accumulate, next, nextBytes);
        }
        else
        {
            MultiplyTiles(columns, tokens, firstColumn, firstTile, endTile, sums, accumulate, next, nextBytes);
        }
    }

    [SkipLocalsInit]
    protected override void MultiplyTile(
        int size, int count, in PanelColumns columns, float* tokens, byte* next, int lines, float* tile, bool accumulate)
    {
        TileArguments arguments;
        arguments.Steps = (long)columns.Groups * StepsOfGroup;
        arguments.Weights = columns.Weights;
        arguments.Tokens = tokens;
        arguments.Sums = tile;
        arguments.Next = next;
        arguments.Lines = lines;
        arguments.Accumulate = accumulate ? 1 : 0;
        TileCode code = _code;
        if (columns.Room != null)
        {
            code = _isOfMatrices ? Prepare(size, columns.Room, &arguments) : Choose(size, columns.Room, &arguments);
        }

        code.Run(size, count, &arguments);
    }

    // The smallest tiles have other lanes.
    private TileCode Choose(int size, TileRoom* room, TileArguments* arguments)
    {
        if (size < TileCode.FewestOfLanes)
        {
            return _code;
        }

        arguments->Weights = room->Unpacked;
        return _lanes!;
    }

    // Tiles of one size share a configuration of registers, and all of them what is widened.
    private TileCode Prepare(int size, TileRoom* room, TileArguments* arguments)
    {
        if (size != room->Configured && _code.Configure(size))
        {
            room->Configured = size;
        }

        arguments->Scratch = room->Sums;
        if (room->Unpacked != null && Form.IsByToken(size))
        {
            arguments->Weights = room->Unpacked;
        }

        return _code;
    }

    // Some groups at a time, for all tiles.
    [SkipLocalsInit]
    private void MultiplyUnpacked(
        in PanelColumns columns, TokenPanels tokens, long firstColumn, int firstTile, int endTile, float* sums, bool accumulate, byte* next, int nextBytes)
    {
        int most = Math.Min(columns.Groups, UnpackedLanes.GroupsAtATime(_tile));
        byte* memory = stackalloc byte[PanelFormat.LineBytes + UnpackedLanes.Bytes(_tile, most)];
        memory = OnLine(memory);
        var room = new TileRoom { Unpacked = memory };
        for (int group = 0; group < columns.Groups; group += most)
        {
            int count = Math.Min(columns.Groups - group, most);
            byte* packed = columns.Weights + BytesOf(group);
            UnpackedLanes.Write(_tile, packed, count, memory);
            int asked = (int)((long)nextBytes * count / columns.Groups);
            MultiplyTiles(
                new PanelColumns(packed, count) { Room = &room }, tokens, firstColumn + (group * PanelFormat.GroupColumns), firstTile, endTile, sums,
                accumulate || group > 0, next, asked);
            next += asked;
        }
    }

    [SkipLocalsInit]
    private void MultiplyMatrices(
        in PanelColumns columns, TokenPanels tokens, long firstColumn, int firstTile, int endTile, float* sums, bool accumulate, byte* next, int nextBytes)
    {
        int most = Math.Max(tokens.Tiles.Size(firstTile), tokens.Tiles.Size(endTile - 1));
        bool isWidened = _tile.Weights == PanelWeights.Int4 && Form.IsByToken(most);
        int scratch = IntegerMatrixTile.ScratchBytes(_tile, most);
        byte* memory = stackalloc byte[PanelFormat.LineBytes + scratch + (isWidened ? WidenedInt4.Bytes(_tile, columns.Groups) : 0)];

        memory = OnLine(memory);
        var room = new TileRoom { Sums = memory, Unpacked = isWidened ? memory + scratch : null };
        if (isWidened)
        {
            WidenedInt4.Write(_tile, columns, room.Unpacked);
        }

        MultiplyTiles(
            new PanelColumns(columns.Weights, columns.Groups) { Room = &room }, tokens, firstColumn, firstTile, endTile, sums, accumulate, next, nextBytes);
        if (room.Configured > 0)
        {
            _code.Release();
        }
    }

    // Vectors that lie across two lines take twice the time.
    private static byte* OnLine(byte* memory) => (byte*)(((nint)memory + PanelFormat.LineBytes - 1) & -PanelFormat.LineBytes);

    // Bytes are all but what is multiplied. AMD's processors unpack by other units than those that multiply.
    private static bool UnpacksOnce(TileForm tile) =>
        CpuId.IsIntel && (tile.Product, tile.Weights) is (DotProduct.Words, _) or (DotProduct.Bytes, PanelWeights.Int4);

    private static PanelWeights WeightsOf(WeightEncoding encoding) => encoding.IntegerBits == 4 ? PanelWeights.Int4 : PanelWeights.Int8;

    // As the kernels in C# store them.
    private static PanelGroupHead HeadOf(WeightEncoding encoding) =>
        encoding == WeightEncodings.Int4 ? PanelGroupHead.BFloat16Scales
        : encoding.HasHalves ? PanelGroupHead.Float32Halves
        : encoding.HasOffsets ? PanelGroupHead.Float32Offsets
        : PanelGroupHead.Float32Scales;
}
