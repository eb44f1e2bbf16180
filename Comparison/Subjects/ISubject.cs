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
/// <param name="IsOurs">Whether it is NativeFfn; others are peers.</param>
/// <param name="Precision">How its weights lie in memory.</param>
/// <param name="WeightBytes">Bytes of the weights, which one forward has to read.</param>
/// <param name="Version">The library and its version.</param>
internal sealed record SubjectDescription(string Name, bool IsOurs, Precision Precision, long WeightBytes, string Version);

/// <summary>How weights lie in memory.</summary>
/// <param name="Name">Its name, such as <c>f32</c>.</param>
/// <param name="Tolerance">
/// The largest relative L2 error against float64 that rounding explains; more means that the subject computes something else.
/// </param>
internal sealed record Precision(string Name, double Tolerance)
{
    /// <summary>Four bytes an element.</summary>
    public static Precision F32 { get; } = new("f32", 1e-5);
}
