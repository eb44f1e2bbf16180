using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>The form of weights in a panel, and how two columns of it become float32 in registers; see <see cref="PanelFormat"/> for what lies where.</summary>
/// <typeparam name="TSimd">The vectors, two of which hold a column.</typeparam>
/// <typeparam name="TVector">The vector.</typeparam>
internal unsafe interface IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>Whether what is read are codes, whose scales and offsets make weights of them: weight = scale · code + offset.</summary>
    static virtual bool HasScales => false;

    /// <summary>Bytes of two columns.</summary>
    static abstract int PairBytes { get; }

    /// <summary>Reads the even column of a pair.</summary>
    /// <param name="pair">The pair.</param>
    /// <param name="book">The numbers that codes stand for, where that is a table of 16.</param>
    /// <param name="first">The first half of the rows.</param>
    /// <param name="second">The second half.</param>
    static abstract void Even(byte* pair, float* book, out TVector first, out TVector second);

    /// <summary>Reads the odd column of a pair; the rest as in <see cref="Even"/>.</summary>
    static abstract void Odd(byte* pair, float* book, out TVector first, out TVector second);
}

/// <summary>Weights that are floats.</summary>
/// <typeparam name="TSimd">The vectors, two of which hold a column.</typeparam>
/// <typeparam name="TVector">The vector.</typeparam>
internal unsafe interface IFloatElement<TSimd, TVector> : IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>Stores neighbouring weights of a row in a group of the panel, which was cleared.</summary>
    /// <param name="row">The encoded row.</param>
    /// <param name="column">The first weight; a multiple of <see cref="PanelFormat.GroupColumns"/>.</param>
    /// <param name="count">Weights.</param>
    /// <param name="group">The group.</param>
    /// <param name="lane">The row's place in the panel.</param>
    static abstract void Pack(ReadOnlySpan<byte> row, int column, int count, byte* group, int lane);
}
