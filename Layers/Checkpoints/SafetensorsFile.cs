namespace NativeFfn.Checkpoints;

/// <summary>A safetensors file open for reading.</summary>
public sealed class SafetensorsFile : IDisposable
{
    /// <summary>Path.</summary>
    public string Path => throw new NotImplementedException();

    /// <summary>Tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsTensor> Tensors => throw new NotImplementedException();

    /// <summary>The <c>__metadata__</c> strings.</summary>
    public IReadOnlyDictionary<string, string> Metadata => throw new NotImplementedException();

    /// <summary>Opens and checks a file.</summary>
    public static SafetensorsFile Open(string path) => throw new NotImplementedException();

    /// <summary>The tensor of a name, or a CheckpointException that names file and tensor.</summary>
    public SafetensorsTensor Find(string name) => throw new NotImplementedException();

    /// <summary>Reads elements widened to float32 (F32, BF16, F16).</summary>
    public void ReadFloats(SafetensorsTensor tensor, long firstElement, Span<float> destination) => throw new NotImplementedException();

    /// <inheritdoc/>
    public void Dispose() => throw new NotImplementedException();
}
