using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>f(x) = x · min(max(0, x + 3), 6) / 6 (Howard et al. 2019, "MobileNetV3").</summary>
    public static Activation HardSwish { get; } = new HardSwishActivation();
}

internal sealed class HardSwishActivation : Activation<HardSwishOperator>
{
    public HardSwishActivation()
        : base("hard-swish", "hardswish")
    {
    }

    /// <inheritdoc/>
    internal override string CudaFormula => "x * (at_most(relu(x + 3.0f), 6.0f) / 6.0f)";

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters) =>
        double.IsNaN(x) ? x : x * Math.Clamp(x + 3, 0, 6) / 6;
}

/// <summary>x · relu6(x + 3) / 6.</summary>
internal readonly struct HardSwishOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector open = Relu6Operator.Apply<TSimd, TVector>(TSimd.Add(x, TSimd.Broadcast(3f)), parameters);
        return TSimd.Multiply(x, TSimd.Divide(open, TSimd.Broadcast(6f)));
    }
}
