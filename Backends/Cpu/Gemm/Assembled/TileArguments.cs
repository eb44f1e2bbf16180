using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>The one argument of an assembled tile, so that every system's calling convention has it in a register.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TileArguments
{
    /// <summary>Steps of columns; positive.</summary>
    public long Steps;

    /// <summary>The columns of a panel.</summary>
    public byte* Weights;

    /// <summary>The same columns of the tokens.</summary>
    public float* Tokens;

    /// <summary>The sums, 32 a token.</summary>
    public float* Sums;

    /// <summary>What to ask memory for; never read.</summary>
    public byte* Next;

    /// <summary>Lines of it for each step.</summary>
    public long Lines;

    /// <summary>Whether sums are added to; else they are not read.</summary>
    public long Accumulate;

    /// <summary>Room for sums of integers, from a cache line's begin on; only of tiles by AMX.</summary>
    public byte* Scratch;

    /// <summary>Where vectors are kept that Windows wants back.</summary>
    public fixed byte Saved[TileAssembler.SavedVectors * TileAssembler.SavedBytes];
}
