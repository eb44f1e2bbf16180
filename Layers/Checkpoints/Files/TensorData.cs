using Microsoft.Win32.SafeHandles;
using NativeFfn.Backends.Storage;

namespace NativeFfn.Checkpoints.Files;

/// <summary>The bytes of a tensor file. Every read of rows is proven to lie in its tensor, and the tensor in the file.</summary>
internal sealed class TensorData : IDisposable
{
    private const int PieceBytes = 64 * 1024;

    private readonly SafeFileHandle? _handle;
    private readonly byte[] _bytes;
    private bool _disposed;

    private TensorData(string path, SafeFileHandle? handle, byte[] bytes, long length)
    {
        Path = path;
        _handle = handle;
        _bytes = bytes;
        Length = length;
    }

    /// <summary>The file, as it was named on opening.</summary>
    public string Path { get; }

    /// <summary>Bytes of the file when it was opened.</summary>
    public long Length { get; }

    /// <summary>Opens a file with contents.</summary>
    public static TensorData Open(string path) => new(path, CheckpointFile.Open(path, out long length), [], length);

    /// <summary>Reads a pipe to its end into memory.</summary>
    /// <exception cref="CheckpointException">It cannot be read, or has more than an array holds.</exception>
    public static TensorData ReadPipe(string path)
    {
        try
        {
            using var pipe = new FileStream(SystemFile.OpenStream(path), FileAccess.Read, bufferSize: 0);
            using var bytes = new MemoryStream();
            byte[] piece = new byte[PieceBytes];
            while (pipe.Read(piece) is > 0 and var count)
            {
                if (bytes.Length > Array.MaxLength - count)
                {
                    throw new CheckpointException($"{path}: is a pipe with more than {Array.MaxLength} bytes. Write them to a file and name that.");
                }

                bytes.Write(piece, 0, count);
            }

            return new TensorData(path, null, bytes.GetBuffer(), bytes.Length);
        }
        catch (Exception problem) when (CheckpointFile.IsFileProblem(problem))
        {
            throw CheckpointFile.Unreadable(path, problem);
        }
    }

    /// <summary>Reads bytes from a place in the file.</summary>
    public void Read(Span<byte> destination, long offset)
    {
        if (_handle is null)
        {
            _bytes.AsSpan(checked((int)offset), destination.Length).CopyTo(destination);
        }
        else
        {
            CheckpointFile.ReadExactly(_handle, Path, destination, offset);
        }
    }

    /// <summary>Reads consecutive rows of a tensor as the file has them.</summary>
    public void ReadRows(TensorEntry tensor, long firstRow, Span<byte> rows)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
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
    public void Dispose()
    {
        _disposed = true;
        _handle?.Dispose();
    }
}
