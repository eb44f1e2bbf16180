using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Encodings;

/// <summary>How a row of weights is stored: a header, where there is one, then blocks of neighbouring columns. Immutable.</summary>
/// <remarks>
/// Weights move from files to their packed form as rows of blocks, so that a row has an address whatever its weights are. An encoding is
/// one file of this folder and a line in <see cref="WeightEncodings.All"/>; what others quantised is <see cref="GroupedCodes"/>.
/// </remarks>
/// <param name="name">The encoding's name, such as <c>bf16</c>.</param>
/// <param name="blockColumns">Weights of a block.</param>
/// <param name="blockBytes">Bytes of a block.</param>
internal abstract class WeightEncoding(string name, int blockColumns, int blockBytes)
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;

    /// <summary>Weights of a block; a row's last block may be filled up with any.</summary>
    public int BlockColumns { get; } = blockColumns;

    /// <summary>Bytes of a block.</summary>
    public int BlockBytes { get; } = blockBytes;

    /// <summary>Bytes before a row's first block.</summary>
    public virtual int HeaderBytes => 0;

    /// <summary>The precision of an engine that keeps weights so; null where the encoding is only ever read.</summary>
    public virtual FfnPrecision? Precision => null;

    /// <summary>
    /// The relative L2 error of Gaussian weights converted to this encoding; 0 where it holds every float32, null where it is only ever
    /// read.
    /// </summary>
    public virtual double? Error => null;

    /// <summary>Whether NaN and infinities can be stored; others are refused.</summary>
    public virtual bool HoldsNonFinite => false;

    /// <summary>Whether weights are codes of fewer than 16 bits, which nobody should convert without being asked to.</summary>
    public bool IsQuantized => BlockBytes < sizeof(ushort) * BlockColumns;

    /// <summary>What weights mean as codes with scales, which panels hold as they are; null where they are something else.</summary>
    public virtual CodeForm? Codes => null;

    /// <summary>
    /// The columns in the order in which <see cref="ReadCodes"/> reads them, groups one after the other; null where that is how they are stored.
    /// </summary>
    public virtual int[]? ColumnOrder => null;

    /// <summary>
    /// Bits of the integers that weights are, 32 or 16 neighbouring ones to a scale, as they are multiplied: 4 or 8; 0 where they are something else.
    /// </summary>
    public int IntegerBits => Codes?.IntegerBits ?? 0;

    /// <summary>Whether integers count from an offset: weight = scale · integer + offset.</summary>
    public bool HasOffsets => Codes is { HasOffsets: true };

    /// <summary>Whether integers have a scale for each 16 of them.</summary>
    public bool HasHalves => Codes is { UnitColumns: < CodeForm.MostColumns };

    /// <summary>Blocks of a row.</summary>
    /// <param name="columns">Weights of the row.</param>
    public int Blocks(int columns) => (int)(((long)columns + BlockColumns - 1) / BlockColumns);

    /// <summary>Bytes of a row.</summary>
    /// <param name="columns">Weights of the row.</param>
    public long RowBytes(int columns) => HeaderBytes + ((long)Blocks(columns) * BlockBytes);

    /// <summary>Columns that a cut through rows keeps together.</summary>
    public virtual int CutColumns => BlockColumns;

    /// <summary>The encoding of a part of every row.</summary>
    /// <param name="firstColumn">The part's first column; a multiple of <see cref="CutColumns"/>.</param>
    /// <param name="columns">Columns of the part; a multiple as well, unless it ends the row.</param>
    public virtual WeightEncoding Cut(int firstColumn, int columns) => this;

    /// <summary>Copies a part of a row, as <see cref="Cut"/> has it.</summary>
    /// <param name="row">The row, from its header on.</param>
    /// <param name="firstColumn">The part's first column.</param>
    /// <param name="columns">Columns of the part.</param>
    /// <param name="part">Receives the part, as many bytes as a row of its encoding has.</param>
    public virtual void CutRow(ReadOnlySpan<byte> row, int firstColumn, int columns, Span<byte> part) =>
        row.Slice(firstColumn / BlockColumns * BlockBytes, part.Length).CopyTo(part);

    /// <summary>Reads weights of a row as float32, exactly as they are stored.</summary>
    /// <param name="row">The row, from its header on.</param>
    /// <param name="firstColumn">The first weight; a multiple of <see cref="BlockColumns"/>.</param>
    /// <param name="weights">Receives as many weights as it is long; it may end within a block.</param>
    public abstract void Decode(ReadOnlySpan<byte> row, int firstColumn, Span<float> weights);

    /// <summary>Reads weights of a row as integers, where <see cref="IntegerBits"/> says that they are: weight = scale · integer + offset.</summary>
    /// <param name="row">The row, from its header on.</param>
    /// <param name="firstColumn">The first weight, counted in <see cref="ColumnOrder"/>; a multiple of 32, or of 16 where it <see cref="HasHalves"/>.</param>
    /// <param name="integers">Receives at most so many integers.</param>
    /// <param name="scale">Their scale.</param>
    /// <param name="offset">Their offset; zero unless <see cref="HasOffsets"/>.</param>
    /// <remarks>Codes count from the middle of their range, so that a byte or half of one holds them; a table's numbers from zero.</remarks>
    public void ReadIntegers(ReadOnlySpan<byte> row, int firstColumn, Span<sbyte> integers, out float scale, out float offset)
    {
        CodeForm form = Codes ?? throw new NotSupportedException($"Weights in {Name} are no integers.");
        CodeScale group = ReadCodes(row, firstColumn, MemoryMarshal.AsBytes(integers));
        sbyte[]? table = form.Book.Multiples;
        foreach (ref sbyte integer in integers)
        {
            integer = table is null ? (sbyte)((byte)integer - form.Middle) : table[integer];
        }

        float ofCodes = group.Factor * (form.Steps == StepType.E4M3 ? E4M3Encoding.FiniteValue((byte)group.Step) : group.Step);
        int zero = form.HasMinima ? 0 : form.HasZeros ? group.Zero : form.Zero;
        scale = ofCodes * form.Book.Unit;
        offset = (ofCodes * (form.Middle - zero)) + (form.HasMinima ? group.Minimum * group.MinimumStep : 0);
    }

    /// <summary>Reads weights of a row as codes, where <see cref="Codes"/> says what they mean.</summary>
    /// <param name="row">The row, from its header on.</param>
    /// <param name="firstColumn">The first weight, counted in <see cref="ColumnOrder"/>; a multiple of <see cref="CodeForm.UnitColumns"/>.</param>
    /// <param name="codes">Receives at most so many codes.</param>
    /// <returns>Their scale.</returns>
    public virtual CodeScale ReadCodes(ReadOnlySpan<byte> row, int firstColumn, Span<byte> codes) =>
        throw new NotSupportedException($"Weights in {Name} are no codes.");

    /// <summary>
    /// Stores a row, each weight as near as the encoding has it; what it cannot hold comes out of <see cref="Decode"/> as not finite.
    /// </summary>
    /// <param name="weights">The row's weights.</param>
    /// <param name="row">Receives <see cref="RowBytes"/>.</param>
    /// <exception cref="NotSupportedException">The encoding is only ever read.</exception>
    public virtual void Encode(ReadOnlySpan<float> weights, Span<byte> row) =>
        throw new NotSupportedException($"Weights cannot be converted to {Name}.");

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>The numbers of a row that is an array of one type.</summary>
    protected static ReadOnlySpan<T> Numbers<T>(ReadOnlySpan<byte> row)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(row);

    /// <summary>The numbers of a row that is an array of one type.</summary>
    protected static Span<T> Numbers<T>(Span<byte> row)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(row);
}
