namespace NativeFfn;

/// <summary>The element-wise function between a layer's projections. σ is the logistic function 1 / (1 + e⁻ˣ).</summary>
public enum Activation
{
    /// <summary>f(x) = x.</summary>
    Identity,

    /// <summary>f(x) = max(0, x).</summary>
    Relu,

    /// <summary>f(x) = max(0, x)² (So et al. 2021, "Primer").</summary>
    SquaredRelu,

    /// <summary>f(x) = x · Φ(x) = 0.5x(1 + erf(x/√2)), the exact form (Hendrycks and Gimpel 2016).</summary>
    Gelu,

    /// <summary>f(x) = 0.5x(1 + tanh(√(2/π)(x + 0.044715x³))), GELU's tanh form; it differs from the exact one by up to 5e-4.</summary>
    GeluTanh,

    /// <summary>f(x) = x · σ(1.702x).</summary>
    QuickGelu,

    /// <summary>f(x) = x · σ(x), also called swish.</summary>
    Silu,

    /// <summary>f(x) = σ(x), the gate of the classic GLU (Dauphin et al. 2017).</summary>
    Sigmoid,
}
