namespace NativeFfn.Cli.Benchmarking;

/// <summary>Native memory of floats.</summary>
/// <param name="length">Elements, which are zero.</param>
internal sealed unsafe class AlignedFloats(int length) : AlignedMemory((nuint)length * sizeof(float))
{
    /// <summary>Elements.</summary>
    public int Length { get; } = length;

    /// <summary>The first element; valid until the memory is disposed.</summary>
    public float* Pointer => (float*)handle;

    /// <summary>All elements.</summary>
    public Span<float> Span => new(Pointer, Length);
}
