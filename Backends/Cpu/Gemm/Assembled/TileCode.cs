using System.Collections.Frozen;
using System.Collections.Immutable;
using System.ComponentModel;
using System.Diagnostics;
using Iced.Intel;
using NativeFfn.Bindings.Memory;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>The tiles of a form, of every size, assembled for this process. Immutable.</summary>
/// <remarks>Assembled once in a process, when a layer first needs it, and kept until the process ends.</remarks>
internal unsafe class TileCode
{
    // Code begins on a line of the instruction cache; what fills the gaps stops who gets there.
    private const int Alignment = 64;
    private const byte Breakpoint = 0xCC;

    /// <summary>Tokens of the smallest tile that integers are unpacked for: those of words that are smaller multiply bytes.</summary>
    public const int FewestOfLanes = SplitWordTile.MostTokens + 1;

    private static readonly FrozenDictionary<TileForm, Lazy<TileCode>> All = TileForm.All.ToFrozenDictionary(
        static form => form, static form => new Lazy<TileCode>(() => Assemble(form, ExecutableMemory.Of)));

    private readonly ExecutableMemory? _memory;

    // By the tokens of a tile and those of them that are multiplied at a time.
    private readonly int[,] _starts = new int[TokenTiles.Sizes[^1] + 1, TokenTiles.Sizes[^1] + 1];

    // By the tokens of a tile, the fewest that are multiplied.
    private readonly int[] _fewest = new int[TokenTiles.Sizes[^1] + 1];
    private readonly TileForm _form;

    // Where registers of matrices get the shape of a tile; negative for tiles without any.
    private readonly int[] _configurations = new int[TokenTiles.Sizes[^1] + 1];
    private readonly int _release;

    /// <summary>No code.</summary>
    /// <param name="whyNot">Why not; null where another way to run tiles takes its place.</param>
    protected TileCode(string? whyNot) => WhyNot = whyNot;

    private TileCode(TileForm form, CodeLoader load)
    {
        _form = form;
        long start = Stopwatch.GetTimestamp();
        using var bytes = new MemoryStream();
        foreach (TileShape shape in ShapesOf(form))
        {
            _starts[shape.Stride, shape.Tokens] = Write(bytes, BytesOf(form, shape, TileAssembler.OfThisSystem));
            _fewest[shape.Stride] = FewestOf(form, shape.Stride);
            _configurations[shape.Stride] = ConfigurationOf(form, shape) is { } configuration ? Write(bytes, MatrixRegisters.CodeOf(configuration)) : -1;
        }

        _release = form.IsOfMatrices ? Write(bytes, MatrixRegisters.CodeOfRelease()) : -1;
        _memory = load(bytes.ToArray());
        Time = Stopwatch.GetElapsedTime(start);
    }

    /// <summary>Makes code executable.</summary>
    public delegate ExecutableMemory CodeLoader(ReadOnlySpan<byte> code);

    /// <summary>Why there is no code, or null where there is.</summary>
    public string? WhyNot { get; }

    /// <summary>What assembling took.</summary>
    public TimeSpan Time { get; }

    /// <summary>The code of a form, assembled now where it was not before.</summary>
    public static TileCode Of(TileForm form) => All[form].Value;

    /// <summary>Assembles a form's tiles, unless something is in the way.</summary>
    /// <param name="form">The form.</param>
    /// <param name="load">Makes them executable.</param>
    public static TileCode Assemble(TileForm form, CodeLoader load)
    {
        if (DotProducts.WhyNot(form.Product) is { } reason)
        {
            return new TileCode(reason);
        }

        try
        {
            return new TileCode(form, load);
        }
        catch (Exception exception) when (exception is Win32Exception or PlatformNotSupportedException)
        {
            return new TileCode($"the system refuses executable memory: {exception.Message}.");
        }
    }

    /// <summary>The machine code of a tile.</summary>
    public static byte[] BytesOf(TileForm form, TileShape shape, TileConvention convention)
    {
        var assembler = new Assembler(64);
        TileAssembler tile = form.Product switch
        {
            DotProduct.BFloat16Matrices => new AmxTile(assembler, convention),
            DotProduct.BFloat16 => new BFloat16Tile(assembler, convention),
            _ when IsOfMatrices(form, shape) => new IntegerMatrixTile(assembler, convention, form),
            DotProduct.Bytes or DotProduct.ByteMatrices => new ByteTile(assembler, convention, form.OfVectors),
            _ when shape.Stride <= SplitWordTile.MostTokens => new SplitWordTile(assembler, convention, form.OfVectors),
            _ => new WordTile(assembler, convention, form.OfVectors),
        };
        tile.Assemble(shape);
        return MachineCode.Of(assembler);
    }

    /// <summary>Every shape of a form.</summary>
    public static ImmutableArray<TileShape> ShapesOf(TileForm form) =>
    [
        .. from size in TokenTiles.Sizes.ToArray()
           where form.Weights != PanelWeights.Lanes || size >= FewestOfLanes
           let fewest = FewestOf(form, size)
           from count in Enumerable.Range(fewest, size + 1 - fewest)
           let piece = PieceOf(form, count)
           from tokens in (int[])[piece, count - piece]
           where tokens > 0
           group tokens by new TileShape(tokens, size) into same
           select same.Key,
    ];

    /// <summary>The shapes of registers that a tile wants; null where it uses none that have such.</summary>
    public static byte[]? ConfigurationOf(TileForm form, TileShape shape) =>
        !IsOfMatrices(form, shape) ? null
        : form.Product == DotProduct.BFloat16Matrices ? AmxTile.Configuration(shape)
        : IntegerMatrixTile.Configuration(form, shape);

    /// <summary>Gives registers the shapes that a tile wants, for all that follow of its size; says whether there are such registers to give back.</summary>
    public virtual bool Configure(int size)
    {
        if (_configurations[size] < 0)
        {
            return false;
        }

        ((delegate* unmanaged<void>)(_memory!.Start + _configurations[size]))();
        return true;
    }

    /// <summary>Gives the registers back.</summary>
    public virtual void Release() => ((delegate* unmanaged<void>)(_memory!.Start + _release))();

    /// <summary>Runs a tile.</summary>
    /// <param name="size">Tokens of the tile, one of <see cref="TokenTiles.Sizes"/>.</param>
    /// <param name="count">Tokens of it without those that fill it, whose sums may be left as they are.</param>
    /// <param name="arguments">The arguments; what is asked of memory is asked once, by halves of a tile in turns.</param>
    public virtual void Run(int size, int count, TileArguments* arguments)
    {
        int multiplied = Math.Max(count, _fewest[size]);
        int piece = PieceOf(_form, multiplied);
        long lines = arguments->Lines;
        for (int first = 0; first < multiplied; first += piece)
        {
            int tokens = Math.Min(piece, multiplied - first);

            // Memory is asked at an even rate, which it can follow.
            int left = multiplied - first;
            arguments->Lines = ((lines * tokens) + left - 1) / left;
            lines -= arguments->Lines;
            ((delegate* unmanaged<TileArguments*, void>)(_memory!.Start + _starts[size, tokens]))(arguments);
            arguments->Next += arguments->Steps * arguments->Lines * TileAssembler.LineBytes;
            arguments->Tokens += tokens;
            arguments->Sums += tokens * TileAssembler.Rows;
        }
    }

    // Tiles by matrices are multiplied whole, those by vectors without the tokens that fill them.
    private static int FewestOf(TileForm form, int size) => IsOfMatrices(form, new TileShape(size, size)) ? size : TokenTiles.FewestOf(size);

    private static int PieceOf(TileForm form, int tokens) =>
        form.Product is DotProduct.Bytes or DotProduct.Words ? IntegerTile.PieceOf(tokens) : tokens;

    private static bool IsOfMatrices(TileForm form, TileShape shape) =>
        form.Product == DotProduct.BFloat16Matrices || (form.IsOfMatrices && shape.Tokens >= IntegerMatrixTile.FewestTokens);

    // Where it begins.
    private static int Write(MemoryStream bytes, byte[] code)
    {
        int start = (int)bytes.Length;
        bytes.Write(code);
        while (bytes.Length % Alignment != 0)
        {
            bytes.WriteByte(Breakpoint);
        }

        return start;
    }
}
