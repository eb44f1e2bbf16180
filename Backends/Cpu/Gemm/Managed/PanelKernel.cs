using System.Runtime.Intrinsics;
using NativeFfn.Backends.Cpu.Gemm.Managed.Codes;
using NativeFfn.Backends.Cpu.Gemm.Managed.Integers;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>Packs and multiplies the panels of one encoding; see <see cref="PanelFormat"/>.</summary>
/// <param name="encoding">How weights are stored.</param>
/// <param name="rows">Rows of a panel.</param>
/// <param name="mostTokens">Tokens of a tile at most.</param>
internal abstract unsafe class PanelKernel(WeightEncoding encoding, int rows, int mostTokens)
{
    /// <summary>Up to so many tokens a tile waits for memory whatever it does, which then is read from end to end.</summary>
    public const int FewTokens = 4;

    /// <summary>
    /// Columns that are multiplied at a time, in groups: 512 columns of a panel and of a tile's tokens, 64 + 24 KiB as float32 at the most,
    /// stay in the second-level cache while they are in use. Sums of 512 products, added up, also round less than one long sum.
    /// </summary>
    public const int BlockGroups = 16;

    /// <summary>
    /// The same for integers, which are a quarter and an eighth of float32: 2048 columns of a panel and of a tile's tokens take 72 + 60 KiB at the most.
    /// Sums go on where they were, with the same bits.
    /// </summary>
    private const int BlockGroupsOfIntegers = 4 * BlockGroups;

    /// <summary>Columns of a block.</summary>
    public const int BlockColumns = BlockGroups * PanelFormat.GroupColumns;

    /// <summary>How weights are stored.</summary>
    public WeightEncoding Encoding { get; } = encoding;

    /// <summary>Rows of a panel.</summary>
    public int Rows { get; } = rows;

    /// <summary>Tokens of a tile at most.</summary>
    public int MostTokens { get; } = mostTokens;

    /// <summary>The instruction that it was assembled for; null where it is C#.</summary>
    public virtual string? Instruction => null;

    /// <summary>How it wants tokens.</summary>
    public virtual TokenForm Form => TokenForm.Float32;

    /// <summary>
    /// A block that so many tiles of tokens read is widened once and not by each; it stays in the second-level cache either way, and the numbers are
    /// the same.
    /// </summary>
    public virtual int TilesWorthWidening => 4;

    /// <summary>Whether panels are decoded before they are multiplied, as the encoding has no kernel of its own.</summary>
    public virtual bool IsDecoded => false;

    /// <summary>The order in which it wants the columns of tokens; null where that is their own.</summary>
    public virtual int[]? ColumnOrder => Encoding.ColumnOrder;

    /// <summary>Whether a token is multiplied by two panels at a time.</summary>
    public virtual bool PairsPanels => false;

    /// <summary>Multiplies what <see cref="Unpack"/> gives where its rows lie without a gap: a panel of float32.</summary>
    public abstract PanelKernel Widened { get; }

    /// <summary>The kernel of an encoding on this processor: its own where it has one, else one that decodes it.</summary>
    /// <param name="encoding">The encoding.</param>
    /// <param name="tokens">What tokens are while they are multiplied; what the encoding <see cref="TokenTypes.Takes"/>.</param>
    public static PanelKernel Of(WeightEncoding encoding, TokenType tokens = TokenType.Float32) =>
        AssembledPanelKernel.Assemble(encoding, tokens) ?? OfVectors(encoding, tokens);

    /// <summary>A kernel that decodes, whatever the encoding, and so takes columns as they are stored.</summary>
    public static PanelKernel Decoding(WeightEncoding encoding) => new DecodedPanelKernel(encoding, OfVectors(WeightEncodings.Float32, TokenType.Float32));

    /// <summary>The kernel of an encoding in C#, with the widest vectors of this processor.</summary>
    public static PanelKernel OfVectors(WeightEncoding encoding, TokenType tokens) =>
        Vector512.IsHardwareAccelerated ? Of<Simd512, Vector512<float>>(encoding, tokens)
        : Vector256.IsHardwareAccelerated ? Of<Simd256, Vector256<float>>(encoding, tokens)
        : Of<Simd128, Vector128<float>>(encoding, tokens);

    /// <summary>The kernel of an encoding with vectors that the processor must have.</summary>
    public static PanelKernel Of<TSimd, TVector>(WeightEncoding encoding, TokenType tokens = TokenType.Float32)
        where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
        where TVector : struct => tokens switch
        {
            TokenType.Float32 or TokenType.BFloat16 => OfFloats<TSimd, TVector>(encoding),
            _ when encoding == WeightEncodings.Int4 => OfIntegers<BFloat16Scales<TSimd, TVector>, TSimd, TVector>(encoding, tokens),
            _ when encoding.HasHalves => OfIntegers<Float32Halves<TSimd, TVector>, TSimd, TVector>(encoding, tokens),
            _ when encoding.HasOffsets => OfIntegers<Float32Offsets<TSimd, TVector>, TSimd, TVector>(encoding, tokens),
            _ => OfIntegers<Float32Scales<TSimd, TVector>, TSimd, TVector>(encoding, tokens),
        };

    /// <summary>Groups of columns that are multiplied at a time.</summary>
    public virtual int GroupsAtATime => Form.Largest > 0 ? BlockGroupsOfIntegers : BlockGroups;

    /// <summary>How tokens are cut into tiles for the kernel.</summary>
    public TokenTiles Tile(int tokens) => new(tokens, MostTokens);

    /// <summary>Panels of a matrix.</summary>
    public int Panels(int matrixRows) => (int)(((long)matrixRows + Rows - 1) / Rows);

    /// <summary>Bytes of a panel.</summary>
    public virtual long PanelBytes(int columns) => BytesOf(PanelFormat.Groups(columns));

    /// <summary>Bytes of a panel's first groups of columns: whole blocks, or all. 0 where panels are decoded.</summary>
    public abstract long BytesOf(int columnGroups);

    /// <summary>Bytes of some groups of a panel's columns, which begin with a block.</summary>
    public int BytesOf(int firstGroup, int groups) => checked((int)(BytesOf(firstGroup + groups) - BytesOf(firstGroup)));

    /// <summary>Bytes of a matrix.</summary>
    public long MatrixBytes(int matrixRows, int columns) => checked(Panels(matrixRows) * PanelBytes(columns));

    /// <summary>Stores a panel.</summary>
    /// <param name="rows">The panel's encoded rows, or fewer at the end of the matrix.</param>
    /// <param name="columns">Weights of a row.</param>
    /// <param name="panel">Receives <see cref="PanelBytes"/>.</param>
    public abstract void Pack(ReadOnlySpan<byte> rows, int columns, byte* panel);

    /// <summary>sums[token, row] = Σ panel[row, column] · tokens[column, token], or += that sum, over some columns and some tiles of tokens.</summary>
    /// <param name="weights">The panel, from the first of the columns on.</param>
    /// <param name="columnGroups">Groups of columns.</param>
    /// <param name="tokens">The tokens.</param>
    /// <param name="firstColumn">The first column.</param>
    /// <param name="firstTile">The first tile of tokens.</param>
    /// <param name="endTile">The tile of tokens after the last.</param>
    /// <param name="sums">The sums, <see cref="Rows"/> a token, from the first tile's first token on.</param>
    /// <param name="accumulate">Whether the sums are added to.</param>
    /// <param name="next">The address that will be read next; only asked of memory, never read.</param>
    /// <param name="nextBytes">Bytes of it.</param>
    public virtual void Multiply(
        byte* weights, int columnGroups, TokenPanels tokens, long firstColumn, int firstTile, int endTile, float* sums, bool accumulate,
        byte* next, int nextBytes) =>
        MultiplyTiles(new PanelColumns(weights, columnGroups), tokens, firstColumn, firstTile, endTile, sums, accumulate, next, nextBytes);

    /// <summary>Multiplies one token by two panels side by side, where <see cref="PairsPanels"/>: the same sums as one after the other, sooner.</summary>
    /// <param name="weights">The first panel, from the first of the columns on.</param>
    /// <param name="other">The second panel.</param>
    /// <param name="columnGroups">Groups of columns.</param>
    /// <param name="token">The token, from the first of the columns on.</param>
    /// <param name="sums">The first panel's sums.</param>
    /// <param name="otherSums">The second panel's sums.</param>
    /// <param name="accumulate">Whether the sums are added to.</param>
    /// <param name="next">What will be read next in the place of <paramref name="weights"/>, and as far behind it as now in that of the other; see <see cref="Multiply"/>.</param>
    /// <param name="nextBytes">Bytes of it.</param>
    public virtual void MultiplyPair(
        byte* weights, byte* other, int columnGroups, float* token, float* sums, float* otherSums, bool accumulate, byte* next, int nextBytes) =>
        throw new NotSupportedException($"Panels of {Encoding.Name} are not multiplied in pairs.");

    /// <summary>Multiplies tile after tile; the rest as in <see cref="Multiply"/>.</summary>
    protected void MultiplyTiles(
        in PanelColumns columns, TokenPanels tokens, long firstColumn, int firstTile, int endTile, float* sums, bool accumulate, byte* next, int nextBytes)
    {
        TokenTiles tiles = tokens.Tiles;

        // What comes next is asked for in equal shares while the tiles of tokens pass.
        int steps = columns.Groups * StepsOfGroup;
        int lines = tiles.Tokens > FewTokens || AsksForFewTokens ? LinesOfStep(nextBytes, steps * (endTile - firstTile)) : 0;
        byte* end = next + nextBytes;
        for (int tile = firstTile; tile < endTile; tile++)
        {
            float* target = sums + ((tiles.FirstToken(tile) - tiles.FirstToken(firstTile)) * Rows);
            MultiplyTile(
                tiles.Size(tile), tiles.TokensOf(tile), columns, tokens.At(tile, firstColumn), next, next < end ? lines : 0, target, accumulate);
            next += steps * lines * PanelFormat.LineBytes;
        }
    }

    /// <summary>Widens groups of a panel to float32: destination[column · stride + row], zeros in columns that fill the last group.</summary>
    /// <param name="panel">The panel.</param>
    /// <param name="columns">Columns of the matrix.</param>
    /// <param name="firstGroup">The first group of columns.</param>
    /// <param name="groups">Groups of columns.</param>
    /// <param name="destination">Receives them.</param>
    /// <param name="stride">Elements from one column to the next; at least <see cref="Rows"/>.</param>
    public abstract void Unpack(byte* panel, int columns, int firstGroup, int groups, float* destination, long stride);

    /// <summary>
    /// Whether a tile asks memory for what comes next however few tokens it has. AMD's processors read far enough ahead by themselves unless much is unpacked meanwhile; Intel's
    /// stop at the end of each 4 KiB: there 2 and 4 tokens take 0.63 to 0.86 of the time of tiles that do not ask.
    /// </summary>
    protected virtual bool AsksForFewTokens => CpuId.IsIntel;

    /// <summary>Steps of a group of columns, in each of which a tile may ask memory for lines.</summary>
    protected abstract int StepsOfGroup { get; }

    /// <summary>Lines that a step asks for, of so many bytes in so many steps.</summary>
    protected virtual int LinesOfStep(int bytes, int steps) =>
        (bytes + (steps * PanelFormat.LineBytes) - 1) / (steps * PanelFormat.LineBytes);

    /// <summary>Multiplies one tile, of one of the sizes that <see cref="TokenTiles"/> has; the rest as in <see cref="Multiply"/>.</summary>
    /// <param name="size">Tokens of the tile.</param>
    /// <param name="count">Tokens of it without those that fill it, which need not be multiplied.</param>
    /// <param name="columns">The columns.</param>
    /// <param name="tokens">The tile, from the first of the columns on.</param>
    /// <param name="next">What to ask memory for.</param>
    /// <param name="lines">Lines of it for each step.</param>
    /// <param name="tile">The tile's sums.</param>
    /// <param name="accumulate">Whether the sums are added to.</param>
    protected abstract void MultiplyTile(
        int size, int count, in PanelColumns columns, float* tokens, byte* next, int lines, float* tile, bool accumulate);

    private static PanelKernel OfFloats<TSimd, TVector>(WeightEncoding encoding)
        where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
        where TVector : struct =>
        encoding == WeightEncodings.Float32 ? new FloatPanelKernel<Float32Element<TSimd, TVector>, TSimd, TVector>(encoding)
        : encoding == WeightEncodings.BFloat16 ? new FloatPanelKernel<BFloat16Element<TSimd, TVector>, TSimd, TVector>(encoding)
        : encoding == WeightEncodings.Float16 ? new FloatPanelKernel<Float16Element<TSimd, TVector>, TSimd, TVector>(encoding)
        : encoding.Codes is { } form ? OfCodes<TSimd, TVector>(encoding, form)
        : new DecodedPanelKernel(encoding, OfFloats<TSimd, TVector>(WeightEncodings.Float32));

    private static PanelKernel OfCodes<TSimd, TVector>(WeightEncoding encoding, CodeForm form)
        where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
        where TVector : struct =>
        form.Book == CodeBook.E4M3 ? new CodedPanelKernel<E4M3Codes<TSimd, TVector>, TSimd, TVector>(encoding, form)
        : form.Book.Table is not null || (form.Bits is 3 or 4 && TSimd.LooksUpAtOnce) ? new CodedPanelKernel<TableCodes<TSimd, TVector>, TSimd, TVector>(encoding, form)
        : form.Bits <= 2 ? new CodedPanelKernel<Codes2<TSimd, TVector>, TSimd, TVector>(encoding, form)
        : form.Bits <= 4 ? new CodedPanelKernel<Codes4<TSimd, TVector>, TSimd, TVector>(encoding, form)
        : form.Bits <= 6 ? new CodedPanelKernel<Codes6<TSimd, TVector>, TSimd, TVector>(encoding, form)
        : new CodedPanelKernel<Codes8<TSimd, TVector>, TSimd, TVector>(encoding, form);

    private static PanelKernel OfIntegers<TScales, TSimd, TVector>(WeightEncoding encoding, TokenType tokens)
        where TScales : struct, IIntegerScales<TSimd, TVector>
        where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
        where TVector : struct => (encoding.IntegerBits, tokens) switch
        {
            (4, TokenType.Int16) => new IntegerPanelKernel<Int4Words<TSimd, TVector>, TScales, TSimd, TVector>(encoding, TokenForm.Words),
            (4, TokenType.Int8) => new IntegerPanelKernel<Int4Bytes<TSimd, TVector>, TScales, TSimd, TVector>(encoding, TokenForm.BytesForHalves with { Parts = TScales.Parts }),
            (8, TokenType.Int16) => new IntegerPanelKernel<Int8Words<TSimd, TVector>, TScales, TSimd, TVector>(encoding, TokenForm.Words),
            (8, TokenType.Int8) => new IntegerPanelKernel<Int8Words<TSimd, TVector>, TScales, TSimd, TVector>(encoding, TokenForm.NarrowWords),
            _ => throw new ArgumentOutOfRangeException(nameof(encoding), encoding, "Its weights are no integers."),
        };
}
