using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>The scales at the head of a group or a half of one, and the offsets behind them where there are any: weight = scale · integer + offset.</summary>
/// <typeparam name="TSimd">The vectors, two of which have a lane for each row of a panel.</typeparam>
/// <typeparam name="TVector">The vector.</typeparam>
internal unsafe interface IIntegerScales<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    /// <summary>Parts of a group that have scales of their own, each followed by its columns: 1 or, without offsets, 2.</summary>
    static virtual int Parts => 1;

    /// <summary>Bytes of all of them.</summary>
    static abstract int Bytes { get; }

    /// <summary>Whether there are offsets.</summary>
    static abstract bool HasOffsets { get; }

    /// <summary>Reads the scales.</summary>
    static abstract void Load(byte* group, out TVector first, out TVector second);

    /// <summary>Reads the offsets; zeros where there are none.</summary>
    static abstract void LoadOffsets(byte* group, out TVector first, out TVector second);

    /// <summary>Stores those of a row.</summary>
    static abstract void Store(byte* group, int lane, float scale, float offset);
}
