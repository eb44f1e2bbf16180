using System.Collections.Frozen;
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

    private static readonly FrozenDictionary<TileForm, Lazy<TileCode>> All = TileForm.All.ToFrozenDictionary(
        static form => form, static form => new Lazy<TileCode>(() => Assemble(form, ExecutableMemory.Of)));

    private readonly ExecutableMemory? _memory;

    // By the tokens of a tile.
    private readonly int[] _starts = new int[TokenTiles.Sizes[^1] + 1];
    private readonly int[] _tokens = new int[TokenTiles.Sizes[^1] + 1];

    // Where registers of matrices get the shape of a tile; negative for tiles without any.
    private readonly int[] _configurations = new int[TokenTiles.Sizes[^1] + 1];
    private readonly int _release;

    /// <summary>No code.</summary>
    /// <param name="whyNot">Why not; null where another way to run tiles takes its place.</param>
    protected TileCode(string? whyNot) => WhyNot = whyNot;

    private TileCode(TileForm form, CodeLoader load)
    {
        long start = Stopwatch.GetTimestamp();
        using var bytes = new MemoryStream();
        foreach (byte size in TokenTiles.Sizes)
        {
            TileShape shape = ShapeOf(form, size);
            _tokens[size] = shape.Tokens;
            _starts[size] = Write(bytes, BytesOf(form, shape, TileAssembler.OfThisSystem));
            _configurations[size] = ConfigurationOf(form, shape) is { } configuration ? Write(bytes, MatrixRegisters.CodeOf(configuration)) : -1;
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
            _ => new IntegerTile(assembler, convention, form.OfVectors),
        };
        tile.Assemble(shape);
        return MachineCode.Of(assembler);
    }

    /// <summary>How a tile of so many tokens is assembled: whole, or as one of two halves.</summary>
    public static TileShape ShapeOf(TileForm form, int tokens) => form.Product switch
    {
        DotProduct.BFloat16Matrices => AmxTile.ShapeOf(tokens),
        DotProduct.BFloat16 => BFloat16Tile.ShapeOf(tokens),
        DotProduct.ByteMatrices or DotProduct.WordMatrices => IntegerMatrixTile.ShapeOf(tokens),
        _ => IntegerTile.ShapeOf(tokens),
    };

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
    /// <param name="arguments">The arguments; what is asked of memory is asked once, by halves of a tile in turns.</param>
    public virtual void Run(int size, TileArguments* arguments)
    {
        int tokens = _tokens[size];
        var tile = (delegate* unmanaged<TileArguments*, void>)(_memory!.Start + _starts[size]);
        long lines = arguments->Lines;
        for (int first = 0; first < size; first += tokens)
        {
            // Memory is asked at an even rate, which it can follow.
            arguments->Lines = (lines * tokens + (size - first) - 1) / (size - first);
            lines -= arguments->Lines;
            tile(arguments);
            arguments->Next += arguments->Steps * arguments->Lines * TileAssembler.LineBytes;
            arguments->Tokens += tokens;
            arguments->Sums += tokens * TileAssembler.Rows;
        }
    }

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
