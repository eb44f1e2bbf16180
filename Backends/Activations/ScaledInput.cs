using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Activations;

/// <summary>An activation of its argument times <see cref="ActivationParameters.InputFactor"/>.</summary>
internal readonly struct ScaledInput<TOperator> : IActivationOperator
    where TOperator : struct, IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct =>
        TOperator.Apply<TSimd, TVector>(TSimd.Multiply(TSimd.Broadcast(parameters.InputFactor), x), parameters);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Gate<TSimd, TVector>(TVector gate, TVector up, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => TOperator.Gate<TSimd, TVector>(gate, up, parameters);
}
