namespace NativeFfn.Checkpoints;

/// <summary>Writes a safetensors file of declared tensors, in order, beside its final place; it appears there whole or not at all.</summary>
public sealed class SafetensorsWriter : IDisposable
{
    /// <summary>Starts a file. Type of a declaration: F32, BF16 or F16.</summary>
    public SafetensorsWriter(
        string path, IReadOnlyList<(string Name, string Type, long[] Shape)> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        throw new NotImplementedException();

    /// <summary>Appends the next elements, rounded to the declared type; a call may not cross the end of a tensor? (it may).</summary>
    public void Write(ReadOnlySpan<float> values) => throw new NotImplementedException();

    /// <summary>Flushes to disk and moves the file to its place.</summary>
    public void Commit() => throw new NotImplementedException();

    /// <summary>Removes what was not committed.</summary>
    public void Dispose() => throw new NotImplementedException();
}
