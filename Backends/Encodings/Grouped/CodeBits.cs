using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Encodings;

/// <summary>Spreads codes of 1 to 8 bits, the lowest bits first, over a byte each.</summary>
/// <remarks>Eight codes are as many bytes as a code has bits, so that they begin and end with a byte. Immutable.</remarks>
internal sealed class CodeBits
{
    /// <summary>Codes of a block.</summary>
    public const int Block = 8;

    private readonly int _bits;
    private readonly ulong _four;
    private readonly ulong _two;
    private readonly ulong _one;

    /// <summary>Codes of so many bits.</summary>
    public CodeBits(int bits)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bits, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bits, 8);
        _bits = bits;
        _four = Mask(4 * bits);
        _two = Mask(2 * bits) * 0x0000_0001_0000_0001;
        _one = Mask(bits) * 0x0001_0001_0001_0001;
    }

    /// <summary>Spreads codes from the first of a block on.</summary>
    /// <param name="packed">Whole blocks.</param>
    /// <param name="codes">Receives codes; the last block's may be fewer.</param>
    public void Unpack(ReadOnlySpan<byte> packed, Span<byte> codes)
    {
        if (_bits == 8)
        {
            packed[..codes.Length].CopyTo(codes);
            return;
        }

        while (codes.Length >= Block)
        {
            ulong block = packed.Length >= sizeof(ulong) ? MemoryMarshal.Read<ulong>(packed) : Last(packed);
            MemoryMarshal.Write(codes, Spread(block));
            packed = packed[_bits..];
            codes = codes[Block..];
        }

        if (!codes.IsEmpty)
        {
            Span<byte> block = stackalloc byte[sizeof(ulong)];
            BinaryPrimitives.WriteUInt64LittleEndian(block, Spread(Last(packed[.._bits])));
            block[..codes.Length].CopyTo(codes);
        }
    }

    /// <summary>One code.</summary>
    /// <param name="packed">The blocks from the first on.</param>
    /// <param name="index">Which code.</param>
    public byte One(ReadOnlySpan<byte> packed, int index)
    {
        (int at, int shift) = Math.DivRem(index * _bits, 8);
        int window = packed[at] | (shift + _bits > 8 ? packed[at + 1] << 8 : 0);
        return (byte)((window >> shift) & (int)Mask(_bits));
    }

    private static ulong Mask(int bits) => (1UL << bits) - 1;

    private static ulong Last(ReadOnlySpan<byte> packed)
    {
        Span<byte> block = stackalloc byte[sizeof(ulong)];
        block.Clear();
        packed[..Math.Min(packed.Length, sizeof(ulong))].CopyTo(block);
        return BinaryPrimitives.ReadUInt64LittleEndian(block);
    }

    // Halves go apart, then their halves, then theirs; what lies above the block is masked away.
    private ulong Spread(ulong block)
    {
        ulong codes = (block & _four) | (((block >> (4 * _bits)) & _four) << 32);
        codes = (codes & _two) | (((codes >> (2 * _bits)) & _two) << 16);
        return (codes & _one) | (((codes >> _bits) & _one) << 8);
    }
}
