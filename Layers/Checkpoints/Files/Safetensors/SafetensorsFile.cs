using System.Buffers.Binary;
using System.Collections.Frozen;

namespace NativeFfn.Checkpoints.Files.Safetensors;

/// <summary>A safetensors file open for reading.</summary>
/// <remarks>
/// A file is 8 bytes of header length N (little-endian), N bytes of JSON that say each tensor's type, shape and place, then the tensors.
/// The header is checked in full on opening: <see cref="Open"/> gives a file whose tensors cover its bytes exactly, or an error: it is
/// shorter than its header says, the header is no JSON object of known fields, a name appears twice, a type is unknown, a size passes 64
/// bits, or the tensors leave a hole or overlap. The file is not mapped into memory. Format: https://huggingface.co/docs/safetensors.
/// </remarks>
internal sealed class SafetensorsFile : ITensorFile
{
    /// <summary>The longest header that is accepted, in bytes: the format's own limit.</summary>
    public const int MaxHeaderBytes = 100_000_000;

    /// <summary>Bytes of the header's length.</summary>
    public const int LengthBytes = sizeof(ulong);

    private readonly TensorData _data;

    private SafetensorsFile(TensorData data, SafetensorsHeader header)
    {
        _data = data;
        Tensors = header.Tensors.ToFrozenDictionary();
        Metadata = header.Metadata;
    }

    /// <inheritdoc/>
    public string Path => _data.Path;

    /// <inheritdoc/>
    public FrozenDictionary<string, TensorEntry> Tensors { get; }

    /// <inheritdoc/>
    public string ReadableTypes => SafetensorsTypes.ReadableList;

    /// <summary>The strings of <c>__metadata__</c>; empty where the file has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <inheritdoc/>
    public bool IsMlx => Metadata.GetValueOrDefault("format") == "mlx";

    /// <summary>Checks a file's whole header.</summary>
    public static ITensorFile Open(TensorData data)
    {
        byte[] header = ReadHeader(data);
        long dataStart = LengthBytes + header.Length;
        return new SafetensorsFile(data, SafetensorsHeader.Parse(data.Path, header, dataStart, data.Length - dataStart));
    }

    /// <inheritdoc/>
    public void ReadBlocks(TensorEntry tensor, long firstRow, Span<byte> rows) => _data.ReadRows(tensor, firstRow, rows);

    /// <inheritdoc/>
    public void Dispose() => _data.Dispose();

    private static byte[] ReadHeader(TensorData data)
    {
        (string path, long length) = (data.Path, data.Length);
        if (length < LengthBytes)
        {
            throw new CheckpointException($"{path}: has {length} bytes; a safetensors file has at least {LengthBytes}. Get the file again.");
        }

        Span<byte> prefix = stackalloc byte[LengthBytes];
        data.Read(prefix, 0);
        ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (headerLength > MaxHeaderBytes)
        {
            throw new CheckpointException(
                $"{path}: claims a header of {headerLength} bytes; the limit is {MaxHeaderBytes}. It is no safetensors file or is damaged.");
        }

        if (headerLength > (ulong)(length - LengthBytes))
        {
            throw new CheckpointException(
                $"{path}: claims a header of {headerLength} bytes, but only {length - LengthBytes} follow; it was cut short. Get the file again.");
        }

        byte[] header = new byte[headerLength];
        data.Read(header, LengthBytes);
        return header;
    }
}
