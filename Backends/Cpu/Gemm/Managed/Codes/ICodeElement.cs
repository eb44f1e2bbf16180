using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Codes;

/// <summary>Weights that are codes of some bits.</summary>
/// <typeparam name="TSimd">The vectors, two of which hold a column.</typeparam>
/// <typeparam name="TVector">The vector.</typeparam>
internal unsafe interface ICodeElement<TSimd, TVector> : IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    /// <inheritdoc/>
    static bool IPanelElement<TSimd, TVector>.HasScales => true;

    /// <summary>Stores neighbouring codes of a row in pairs of columns, which were cleared.</summary>
    /// <param name="codes">The codes.</param>
    /// <param name="pairs">The first pair.</param>
    /// <param name="lane">The row's place in the panel.</param>
    static abstract void Pack(ReadOnlySpan<byte> codes, byte* pairs, int lane);
}
