using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>The form of one encoding's weights in a panel, and how two columns of it become float32 in registers; see <see cref="PanelFormat"/> for what lies where.</summary>
/// <typeparam name="TSimd">The vectors, two of which hold a column.</typeparam>
/// <typeparam name="TVector">The vector.</typeparam>
internal unsafe interface IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>Bytes of the scales at the head of a group.</summary>
    static abstract int ScaleBytes { get; }

    /// <summary>Bytes of two columns.</summary>
    static abstract int PairBytes { get; }

    /// <summary>Reads the scales of a group, where there are any.</summary>
    static abstract void Scales(byte* group, out TVector first, out TVector second);

    /// <summary>Reads the even column of a pair.</summary>
    static abstract void Even(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second);

    /// <summary>Reads the odd column of a pair.</summary>
    static abstract void Odd(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second);

    /// <summary>Stores neighbouring weights of a row in a group of the panel, which was cleared.</summary>
    /// <param name="row">The encoded row.</param>
    /// <param name="column">The first weight; a multiple of <see cref="PanelFormat.GroupColumns"/>.</param>
    /// <param name="count">Weights.</param>
    /// <param name="group">The group.</param>
    /// <param name="lane">The row's place in the panel.</param>
    static abstract void Pack(ReadOnlySpan<byte> row, int column, int count, byte* group, int lane);
}
