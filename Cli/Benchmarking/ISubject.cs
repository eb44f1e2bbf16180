namespace NativeFfn.Cli.Benchmarking;

/// <summary>One way to run a layer with its residual, y = x + FFN(x), with copies of the weights that take turns.</summary>
internal interface ISubject : IDisposable
{
    /// <summary>Name, precision, weights and version.</summary>
    SubjectDescription Description { get; }

    /// <summary>Bytes of weights that a forward of the current rows reads.</summary>
    long BytesRead { get; }

    /// <summary>y of the last forward, row-major <c>[tokens, d_model]</c>.</summary>
    ReadOnlySpan<float> Output { get; }

    /// <summary>Takes other rows; whatever can be prepared for them is prepared here and not in <see cref="Forward"/>.</summary>
    /// <param name="input">x, row-major <c>[tokens, d_model]</c> at its start, alive and unchanged until the next call.</param>
    /// <param name="tokens">Rows.</param>
    void Start(AlignedFloats input, int tokens);

    /// <summary>Runs the layer once, on the next copy of the weights: the work that is timed.</summary>
    void Forward();
}

/// <summary>Name, precision, weights and version of a subject.</summary>
/// <param name="Name">Its name in tables and in <c>--subjects</c>.</param>
/// <param name="Backend">The backend, where it is NativeFfn; null for peers.</param>
/// <param name="Precision">How its weights lie in memory.</param>
/// <param name="WeightBytes">Bytes of one copy of the weights.</param>
/// <param name="QuantizationError">What the precision lost of the matrix that lost most: ‖kept − given‖₂ / ‖given‖₂.</param>
/// <param name="Rotation">The copies that take turns.</param>
/// <param name="Version">The library and its version.</param>
/// <param name="ActivationError">
/// What a peer loses of a projection's input by rounding it: ‖rounded − given‖₂ / ‖given‖₂, at most; 0 where rows stay floats.
/// </param>
/// <param name="OnlyBeside">The one precision of ours that a peer is compared with; null for all of as many bits a weight.</param>
internal sealed record SubjectDescription(
    string Name,
    BackendKind? Backend,
    FfnPrecision Precision,
    long WeightBytes,
    double QuantizationError,
    WeightRotation Rotation,
    string Version,
    double ActivationError = 0,
    string? OnlyBeside = null);
