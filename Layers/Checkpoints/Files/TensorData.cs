using Microsoft.Win32.SafeHandles;

namespace NativeFfn.Checkpoints.Files;

/// <summary>The bytes of a tensor file. Every read of rows is proven to lie in its tensor, and the tensor in the file.</summary>
internal sealed class TensorData : IDisposable
{
    private readonly SafeFileHandle _handle;

    private TensorData(string path, SafeFileHandle handle, long length)
    {
        Path = path;
        _handle = handle;
        Length = length;
    }

    /// <summary>The file, as it was named on opening.</summary>
    public string Path { get; }

    /// <summary>Bytes of the file when it was opened.</summary>
    public long Length { get; }

    public static TensorData Open(string path) => new(path, CheckpointFile.Open(path, out long length), length);

    /// <summary>Reads bytes from a place in the file.</summary>
    public void Read(Span<byte> destination, long offset) => CheckpointFile.ReadExactly(_handle, Path, destination, offset);

    /// <summary>Reads consecutive rows of a tensor as the file has them.</summary>
    public void ReadRows(TensorEntry tensor, long firstRow, Span<byte> rows)
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        if (tensor.Offset < 0 || tensor.ByteLength < 0 || tensor.ByteLength > Length - tensor.Offset)
        {
            throw new CheckpointException($"{Path}: tensor {CheckpointText.Quote(tensor.Name)} lies outside this file; it is of another.");
        }

        long total = tensor.Rows;
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstRow, total);
        if (rows.IsEmpty)
        {
            return;
        }

        long rowBytes = total == 0 ? 0 : tensor.ByteLength / total;
        long count = rowBytes == 0 ? 0 : rows.Length / rowBytes;
        if (count == 0 || count > total - firstRow || count * rowBytes != rows.Length)
        {
            throw new ArgumentOutOfRangeException(
                nameof(rows), $"{rows.Length} bytes from row {firstRow} are no whole rows of '{tensor.Name}', which has {total} of {rowBytes}.");
        }

        Read(rows, tensor.Offset + (firstRow * rowBytes));
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _handle.Dispose();
}
