using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace NativeFfn.Checkpoints;

/// <summary>A safetensors file open for reading; nothing of its tensors is read until it is asked for.</summary>
/// <remarks>
/// A file is 8 bytes of header length N (little-endian), N bytes of JSON that say each tensor's type, shape and place, then the tensors.
/// The header is checked in full on opening: <see cref="Open"/> gives a file whose tensors cover its bytes exactly, or an error.
/// Reading is safe for use by several threads at once, and goes through a bounded buffer; the file is not mapped into memory.
/// Format: https://huggingface.co/docs/safetensors.
/// </remarks>
public sealed class SafetensorsFile : IDisposable
{
    /// <summary>The longest header that is accepted, in bytes: the format's own limit.</summary>
    public const int MaxHeaderBytes = 100_000_000;

    internal const int LengthBytes = sizeof(ulong);

    // Bytes widened at a time: fits a core's second-level cache, and is large enough for a read to cost its copy and little else.
    private const int StagingBytes = 256 * 1024;

    // The most elements of one direct read, so that their length in bytes fits an int.
    private const int MaxDirectElements = 1 << 28;

    private readonly SafeFileHandle _handle;
    private readonly long _length;
    private readonly FrozenDictionary<string, SafetensorsTensor> _tensors;

    private SafetensorsFile(string path, SafeFileHandle handle, long length, SafetensorsHeader header)
    {
        Path = path;
        _handle = handle;
        _length = length;
        _tensors = header.Tensors.ToFrozenDictionary();
        Metadata = header.Metadata;
    }

    /// <summary>The file, as it was named on opening.</summary>
    public string Path { get; }

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsTensor> Tensors => _tensors;

    /// <summary>The strings of <c>__metadata__</c>; empty where the file has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file and checks its whole header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointException">
    /// There is no such file or it may not be read; or it is shorter than its header says, the header is no JSON object of known fields,
    /// a name appears twice, a type is unknown, a size passes 64 bits, or the tensors do not cover the rest of the file without
    /// holes and overlaps.
    /// </exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        SafeFileHandle handle = CheckpointFile.Open(path, out long length);
        try
        {
            byte[] header = ReadHeader(handle, path, length);
            long dataStart = LengthBytes + header.Length;
            return new SafetensorsFile(path, handle, length, SafetensorsHeader.Parse(path, header, dataStart, length - dataStart));
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>The tensor of a name.</summary>
    /// <param name="name">Its name, case-sensitive.</param>
    /// <exception cref="CheckpointException">The file has no such tensor; the message names both.</exception>
    public SafetensorsTensor Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _tensors.TryGetValue(name, out SafetensorsTensor? tensor)
            ? tensor
            : throw new CheckpointException($"{Path}: has no tensor {CheckpointText.Quote(name)}; it has {_tensors.Count} others.");
    }

    /// <summary>Reads consecutive elements widened to float32, exactly: NaNs and infinities stay what they are.</summary>
    /// <param name="tensor">A tensor of this file, of type F32, BF16 or F16.</param>
    /// <param name="firstElement">The first element wanted, in row-major order, from 0.</param>
    /// <param name="destination">Receives the elements; its length says how many.</param>
    /// <exception cref="ArgumentOutOfRangeException">Elements beyond the tensor are asked for.</exception>
    /// <exception cref="CheckpointException">The type is another, the tensor lies outside this file, or the file was cut short since it was opened.</exception>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public void ReadFloats(SafetensorsTensor tensor, long firstElement, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        if (!ElementTypes.IsReadable(tensor.Type))
        {
            throw new CheckpointException(
                $"{Path}: tensor {CheckpointText.Quote(tensor.Name)} has type {CheckpointText.Quote(tensor.Type)}; {ElementTypes.ReadableList} can be read.");
        }

        int size = ElementTypes.SizeOf(tensor.Type);
        if (tensor.Offset < LengthBytes || tensor.ByteLength < 0 || tensor.ByteLength > _length - tensor.Offset)
        {
            throw new CheckpointException($"{Path}: tensor {CheckpointText.Quote(tensor.Name)} lies outside this file; it is of another.");
        }

        long elements = tensor.ByteLength / size;
        ArgumentOutOfRangeException.ThrowIfNegative(firstElement);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstElement, elements);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, elements - firstElement, nameof(destination));
        long offset = tensor.Offset + (firstElement * size);
        if (tensor.Type == ElementTypes.Float32)
        {
            ReadDirect(offset, destination);
        }
        else
        {
            ReadWidened(offset, destination, tensor.Type == ElementTypes.BFloat16);
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _handle.Dispose();

    private static byte[] ReadHeader(SafeFileHandle handle, string path, long length)
    {
        if (length < LengthBytes)
        {
            throw new CheckpointException($"{path}: has {length} bytes; a safetensors file has at least {LengthBytes}. Get the file again.");
        }

        Span<byte> prefix = stackalloc byte[LengthBytes];
        CheckpointFile.ReadExactly(handle, path, prefix, 0);
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
        CheckpointFile.ReadExactly(handle, path, header, LengthBytes);
        return header;
    }

    private void ReadDirect(long offset, Span<float> destination)
    {
        while (!destination.IsEmpty)
        {
            Span<float> part = destination[..Math.Min(destination.Length, MaxDirectElements)];
            CheckpointFile.ReadExactly(_handle, Path, MemoryMarshal.AsBytes(part), offset);
            if (!BitConverter.IsLittleEndian)
            {
                Span<int> bits = MemoryMarshal.Cast<float, int>(part);
                BinaryPrimitives.ReverseEndianness(bits, bits);
            }

            destination = destination[part.Length..];
            offset += (long)part.Length * sizeof(float);
        }
    }

    private void ReadWidened(long offset, Span<float> destination, bool isBFloat16)
    {
        byte[] staging = ArrayPool<byte>.Shared.Rent((int)Math.Min(StagingBytes, (long)destination.Length * sizeof(ushort)));
        try
        {
            while (!destination.IsEmpty)
            {
                int count = Math.Min(destination.Length, StagingBytes / sizeof(ushort));
                Span<byte> bytes = staging.AsSpan(0, count * sizeof(ushort));
                CheckpointFile.ReadExactly(_handle, Path, bytes, offset);
                Span<ushort> values = MemoryMarshal.Cast<byte, ushort>(bytes);
                if (!BitConverter.IsLittleEndian)
                {
                    BinaryPrimitives.ReverseEndianness(values, values);
                }

                if (isBFloat16)
                {
                    FloatWidening.FromBFloat16(values, destination);
                }
                else
                {
                    FloatWidening.FromFloat16(values, destination);
                }

                destination = destination[count..];
                offset += bytes.Length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(staging);
        }
    }
}
