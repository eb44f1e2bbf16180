using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>Rows of numbers as a kernel gets them, beside a page without access, with what a test knows about them in float64.</summary>
internal sealed unsafe class KernelRows : IDisposable
{
    // What no kernel writes: it tells which elements were left alone.
    private const byte Untouched = 0xA5;

    private readonly GuardedBuffer _memory;

    private KernelRows(NumberFormat format, int count, int width, int stride, GuardSide side)
    {
        Format = format;
        Count = count;
        Width = width;
        Stride = stride;
        int elements = count == 0 ? 0 : ((count - 1) * stride) + width;
        _memory = new GuardedBuffer(((elements * format.Bytes) + sizeof(float) - 1) / sizeof(float), side);
        new Span<byte>(_memory.Pointer, _memory.Length * sizeof(float)).Fill(Untouched);
    }

    public NumberFormat Format { get; }

    public int Count { get; }

    public int Width { get; }

    public int Stride { get; }

    public nint Pointer => (nint)_memory.Pointer;

    /// <summary>Rows of a kernel's own: aligned, and padded to a multiple of 16 elements.</summary>
    public static KernelRows Own(NumberFormat format, int count, int paddedWidth, int more = 0)
    {
        Assert.That(paddedWidth % 16, Is.Zero);
        return new KernelRows(format, count, paddedWidth, paddedWidth + more, GuardSide.After);
    }

    /// <summary>A caller's float32 rows: as long as they are, and aligned to no more than a float.</summary>
    public static KernelRows OfCaller(int count, int width, int stride, GuardSide side) => new(NumberFormat.Float32, count, width, stride, side);

    /// <summary>One row of float32 of a kernel's own, padded with zeros.</summary>
    public static KernelRows Padded(IReadOnlyList<double> values)
    {
        KernelRows rows = Own(NumberFormat.Float32, 1, (values.Count + 15) / 16 * 16);
        rows.Set((_, column) => column < values.Count ? values[column] : 0);
        return rows;
    }

    public double this[int row, int column]
    {
        get => Format.Decode(Bits(row, column));
        set
        {
            byte* element = Element(row, column);
            uint bits = Format.Encode(Format.Round(value));
            for (int i = 0; i < Format.Bytes; i++)
            {
                element[i] = (byte)(bits >> (8 * i));
            }
        }
    }

    public uint Bits(int row, int column)
    {
        byte* element = Element(row, column);
        uint bits = 0;
        for (int i = 0; i < Format.Bytes; i++)
        {
            bits |= (uint)element[i] << (8 * i);
        }

        return bits;
    }

    /// <summary>Sets each element to the nearest number of the format.</summary>
    public KernelRows Set(Func<int, int, double> value)
    {
        for (int row = 0; row < Count; row++)
        {
            for (int column = 0; column < Width; column++)
            {
                this[row, column] = value(row, column);
            }
        }

        return this;
    }

    /// <summary>Fails unless what lies between the rows, or past 'width' in them, is as it was.</summary>
    public void AssertUntouchedPast(int width)
    {
        for (int row = 0; row < Count; row++)
        {
            int end = row == Count - 1 ? Width : Stride;
            for (int column = width; column < end; column++)
            {
                for (int i = 0; i < Format.Bytes; i++)
                {
                    if (Element(row, column)[i] != Untouched)
                    {
                        Assert.Fail($"Row {row} was written at {column}, past its {width} columns.");
                    }
                }
            }
        }
    }

    public byte[] ToArray() => new Span<byte>(_memory.Pointer, _memory.Length * sizeof(float)).ToArray();

    public void Dispose() => _memory.Dispose();

    private byte* Element(int row, int column) => (byte*)_memory.Pointer + ((((long)row * Stride) + column) * Format.Bytes);
}
