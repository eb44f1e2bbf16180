using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Activations;

/// <summary>An activation's formula, for vectors of any width.</summary>
internal interface IActivationOperator
{
    /// <summary>The activation of a projection with its bias.</summary>
    static abstract TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;

    /// <summary>What a gated stage makes of the activated gate and the up projection with its bias.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static virtual TVector Gate<TSimd, TVector>(TVector gate, TVector up, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => TSimd.Multiply(gate, up);
}
