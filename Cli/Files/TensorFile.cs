using NativeFfn.Checkpoints;

namespace NativeFfn.Cli.Files;

/// <summary>F32 matrices of one row a token as a safetensors file.</summary>
internal sealed class TensorFile : IDisposable
{
    // Small enough to look for Ctrl+C between two pieces.
    private const int PieceElements = 4 * 1024 * 1024;

    private readonly SafetensorsWriter _writer;

    /// <summary>Writes the matrices, not yet in the final place.</summary>
    public TensorFile(string path, int tokens, IReadOnlyList<(string Name, int Width, float[] Values)> tensors, CancellationToken cancellation)
    {
        _writer = new SafetensorsWriter(path, [.. tensors.Select(tensor => (tensor.Name, "F32", new long[] { tokens, tensor.Width }))]);
        try
        {
            foreach ((_, _, float[] values) in tensors)
            {
                for (int start = 0; start < values.Length; start += PieceElements)
                {
                    cancellation.ThrowIfCancellationRequested();
                    _writer.Write(values.AsSpan(start, Math.Min(PieceElements, values.Length - start)));
                }
            }
        }
        catch
        {
            _writer.Dispose();
            throw;
        }
    }

    /// <summary>Moves the file to its place.</summary>
    public void Commit() => _writer.Commit();

    public void Dispose() => _writer.Dispose();
}
