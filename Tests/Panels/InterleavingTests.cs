using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>Rows laid side by side, against a transpose by the definition.</summary>
public sealed unsafe class InterleavingTests
{
    [Test]
    public void Columns_lie_side_by_side_with_zeros_for_missing_rows(
        [Values(1, 2, 4, 6, 8, 12)] int size, [Values] GuardSide side, [Values(0, 3)] int gap)
    {
        for (int count = 1; count <= size; count++)
        {
            for (int columns = 0; columns <= 37; columns++)
            {
                int stride = columns + gap;

                // The last row ends where its columns end: its gap is not there to be read.
                using var rows = GuardedBuffer.Of(RandomLayers.Rows(1, ((count - 1) * stride) + columns, columns), side);
                using var destination = new GuardedBuffer(size * columns, side);
                destination.Span.Fill(float.NaN);
                Interleaving.Interleave(new RowSelection(rows.Pointer, stride), count, columns, destination.Pointer, size, size);
                for (int i = 0; i < destination.Length; i++)
                {
                    float expected = i % size < count ? rows.Span[(i % size * stride) + (i / size)] : 0;
                    if (BitConverter.SingleToInt32Bits(destination.Span[i]) != BitConverter.SingleToInt32Bits(expected))
                    {
                        Assert.Fail($"{count} rows of {columns}: column {i / size}, row {i % size} is {destination.Span[i]:R}, expected {expected:R}.");
                    }
                }
            }
        }
    }

    [Test]
    public void NaN_keeps_its_bits()
    {
        float[] rows = [.. Enumerable.Range(0, 20).Select(static i => BitConverter.UInt32BitsToSingle(0x7F80_0001u + (uint)i))];
        float[] destination = new float[24];
        fixed (float* source = rows, target = destination)
        {
            Interleaving.Interleave(new RowSelection(source, 4), 5, 4, target, 6, 6);
        }

        for (int i = 0; i < 24; i++)
        {
            uint expected = i % 6 < 5 ? 0x7F80_0001u + (uint)((i % 6 * 4) + (i / 6)) : 0;
            Assert.That(BitConverter.SingleToUInt32Bits(destination[i]), Is.EqualTo(expected), $"element {i}");
        }
    }
}
