namespace NativeFfn.Backends.CuBlas.Streams;

/// <summary>A forward was captured that needs what cannot be made during a capture.</summary>
/// <param name="what">What it needs.</param>
internal sealed class CaptureException(string what) : InvalidOperationException(
    $"This forward needs {what}, which cannot be made while its stream is captured. Run it once on this stream before, with the same "
    + "layer, mode, token count and strides, and rows aligned alike.");
