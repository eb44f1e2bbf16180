using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace NativeFfn.AspNetCore.Http;

/// <summary>Rows of a request or an answer in pooled memory, which grows with what arrives and not with what was announced.</summary>
/// <remarks>
/// Must be disposed, after nothing refers to its memory any more; more than once does no harm. Not safe for use by several threads at once.
/// </remarks>
internal sealed class RowBuffer : IDisposable
{
    // 64 KiB hold eight rows of 2048; larger bodies grow step by step as they arrive.
    private const int FirstElements = 16 * 1024;

    private readonly RowMemory _memory;
    private float[] _elements = [];
    private int _bytes;

    public RowBuffer(RowMemory memory) => _memory = memory;

    /// <summary>Whole elements written so far.</summary>
    public Memory<float> Elements => _elements.AsMemory(0, _bytes / sizeof(float));

    /// <summary>Bytes written so far.</summary>
    public int ByteCount => _bytes;

    /// <summary>What was written, as bytes.</summary>
    public ReadOnlySpan<byte> Bytes => MemoryMarshal.AsBytes(_elements.AsSpan())[.._bytes];

    /// <summary>Makes room for a number of elements, whose values are whatever was there.</summary>
    public Memory<float> Allocate(int elements)
    {
        Grow(checked(elements * sizeof(float)));
        _bytes = elements * sizeof(float);
        return Elements;
    }

    /// <summary>Adds bytes of little-endian float32.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        Grow(checked(_bytes + bytes.Length));
        bytes.CopyTo(MemoryMarshal.AsBytes(_elements.AsSpan())[_bytes..]);
        _bytes += bytes.Length;
    }

    /// <summary>Adds one number.</summary>
    public void Append(float value)
    {
        Grow(checked(_bytes + sizeof(float)));
        _elements[_bytes / sizeof(float)] = value;
        _bytes += sizeof(float);
    }

    /// <summary>Between the machine's byte order and little-endian; nothing to do where they are the same.</summary>
    public void SwapIfBigEndian()
    {
        if (!BitConverter.IsLittleEndian)
        {
            Span<int> words = MemoryMarshal.Cast<float, int>(Elements.Span);
            BinaryPrimitives.ReverseEndianness(words, words);
        }
    }

    public void Dispose()
    {
        if (_elements.Length > 0)
        {
            _memory.Return(_elements);
            _elements = [];
            _bytes = 0;
        }
    }

    private void Grow(int bytes)
    {
        if (bytes <= (long)_elements.Length * sizeof(float))
        {
            return;
        }

        int wanted = (int)Math.Min(
            Array.MaxLength, Math.Max((bytes + sizeof(float) - 1L) / sizeof(float), Math.Max(FirstElements, 2L * _elements.Length)));
        float[] larger = _memory.Rent(wanted);
        MemoryMarshal.AsBytes(_elements.AsSpan())[.._bytes].CopyTo(MemoryMarshal.AsBytes(larger.AsSpan()));
        if (_elements.Length > 0)
        {
            _memory.Return(_elements);
        }

        _elements = larger;
    }
}
