namespace NativeFfn.Comparison.Subjects;

/// <summary>One way to run the SwiGLU layer with its residual, y = x + W_down · (silu(W_gate · x) ⊙ (W_up · x)), with its copy of the weights.</summary>
internal interface ISubject : IDisposable
{
    /// <summary>What it is.</summary>
    SubjectDescription Description { get; }

    /// <summary>y of the last forward, row-major <c>[tokens, d_model]</c>.</summary>
    ReadOnlySpan<float> Output { get; }

    /// <summary>Takes other rows; whatever can be prepared for them is prepared here and not in <see cref="Forward"/>.</summary>
    /// <param name="input">x, row-major <c>[tokens, d_model]</c> at its start, alive and unchanged until the next call.</param>
    /// <param name="tokens">Rows.</param>
    void Start(AlignedFloats input, int tokens);

    /// <summary>Runs the layer once: what is measured.</summary>
    void Forward();
}

/// <summary>What a subject is.</summary>
/// <param name="Name">Its name in <c>--subjects</c>.</param>
/// <param name="Backend">The backend, where it is NativeFfn; null for peers.</param>
/// <param name="Precision">How its weights lie in memory.</param>
/// <param name="WeightBytes">Bytes of the weights, which one forward has to read.</param>
/// <param name="QuantizationError">What the precision lost of the weights: ‖kept − given‖₂ / ‖given‖₂.</param>
/// <param name="Version">The library and its version.</param>
internal sealed record SubjectDescription(
    string Name, BackendKind? Backend, Precision Precision, long WeightBytes, double QuantizationError, string Version)
{
    /// <summary>Whether it is NativeFfn; others are peers.</summary>
    public bool IsOurs => Backend is not null;
}

/// <summary>How weights lie in memory.</summary>
/// <param name="Kind">The precision as NativeFfn's options name it.</param>
/// <param name="Tolerance">
/// The largest relative L2 error against float64 that rounding explains; more means that the subject computes something else. For reduced
/// precisions about four times the error of a Gaussian weight: three projections in a row amount to √3 times that.
/// </param>
internal sealed record Precision(FfnPrecision Kind, double Tolerance)
{
    /// <summary>Four bytes a weight.</summary>
    public static Precision F32 { get; } = new(FfnPrecision.Float32, 1e-5);

    /// <summary>Two bytes a weight, 8 significant bits.</summary>
    public static Precision BF16 { get; } = new(FfnPrecision.BFloat16, 7e-3);

    /// <summary>Two bytes a weight, 11 significant bits.</summary>
    public static Precision F16 { get; } = new(FfnPrecision.Float16, 1e-3);

    /// <summary>One byte a weight, a scale for each group.</summary>
    public static Precision Int8 { get; } = new(FfnPrecision.Int8, 2e-2);

    /// <summary>Its name, such as <c>f32</c>.</summary>
    public string Name => Names<FfnPrecision>.Of(Kind);
}
