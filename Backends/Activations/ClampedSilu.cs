using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>
    /// f(x) = z · σ(α · z) with z = min(x, limit); a gated layer multiplies by clamp(up, −limit, limit) + offset, as gpt-oss does (OpenAI 2025)
    /// with the limit 7, α = 1.702 and the offset 1, which are the defaults.
    /// </summary>
    public static Activation ClampedSilu { get; } = new ClampedSiluActivation();
}

// No ConfigNames: gpt-oss calls it silu, and means this by its swiglu_limit.
internal sealed class ClampedSiluActivation : Activation<ClampedSiluOperator>
{
    public ClampedSiluActivation()
        : base("clamped-silu")
    {
        GatedName = "clamped-swiglu";
        DefaultParameters = new ActivationParameters(Limit: 7, Alpha: 1.702f, UpOffset: 1);
    }

    /// <inheritdoc/>
    internal override string CudaFormula =>
        "times_sigmoid(x > parameters.limit ? parameters.limit : x, parameters.alpha * (x > parameters.limit ? parameters.limit : x))";

    /// <inheritdoc/>
    internal override string CudaGateFormula =>
        "y * ((up > parameters.limit ? parameters.limit : up < -parameters.limit ? -parameters.limit : up) + parameters.up_offset)";

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters)
    {
        double z = x > parameters.Limit ? parameters.Limit : x;
        return z * SigmoidActivation.Of(parameters.Alpha * z);
    }

    /// <inheritdoc/>
    internal override double Gate(double gate, double up, ActivationParameters parameters) =>
        gate * ((up > parameters.Limit ? parameters.Limit : up < -parameters.Limit ? -parameters.Limit : up) + parameters.UpOffset);
}

/// <summary>z · σ(α · z), z = min(x, limit); NaN stays NaN in every clamp because it is not less than anything.</summary>
internal readonly struct ClampedSiluOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector limit = TSimd.Broadcast(parameters.Limit);
        TVector z = TSimd.SelectLess(limit, x, limit, x);
        return SigmoidOperator.Times<TSimd, TVector>(z, TSimd.Multiply(TSimd.Broadcast(parameters.Alpha), z));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Gate<TSimd, TVector>(TVector gate, TVector up, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector most = TSimd.Broadcast(parameters.Limit);
        TVector least = TSimd.Broadcast(-parameters.Limit);
        TVector clamped = TSimd.SelectLess(most, up, most, TSimd.SelectLess(up, least, least, up));
        return TSimd.Multiply(gate, TSimd.Add(clamped, TSimd.Broadcast(parameters.UpOffset)));
    }
}
