using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>The kernels' conversions, over every encoding and every place between two of them.</summary>
[Category(Needs.Clone)]
public class NumberFormatTests
{
    // A prime, so that the walk through float32's encodings meets all low bits.
    private const uint Step = 1009;

    private static readonly NumberFormat[] Formats = [NumberFormat.BFloat16, NumberFormat.Float16, NumberFormat.E4M3];

    [TestCaseSource(nameof(Formats))]
    public void Every_encoding_is_widened_to_its_value(object format)
    {
        var number = (NumberFormat)format;
        float[] actual = EmulatedKernels.Of(KernelPrecision.F32).WidenAll(number);
        for (uint bits = 0; bits < actual.Length; bits++)
        {
            Assert.That(Bits(actual[bits]), Is.EqualTo(Bits(number.Decode(bits))), $"{bits:X}");
        }
    }

    [TestCaseSource(nameof(Formats))]
    public void Every_encoding_midpoint_and_their_neighbours_are_rounded_to_nearest_even(object format)
    {
        var number = (NumberFormat)format;
        var values = new List<float>();
        for (uint bits = 0; bits < 1u << (8 * number.Bytes); bits++)
        {
            float value = (float)number.Decode(bits);
            float next = (float)number.Decode(bits + 1 < 1u << (8 * number.Bytes) ? bits + 1 : bits);
            float middle = (float)((value + (double)next) / 2);
            values.AddRange([value, MathF.BitIncrement(value), MathF.BitDecrement(value)]);
            values.AddRange([middle, MathF.BitIncrement(middle), MathF.BitDecrement(middle)]);
        }

        AssertRounded(number, [.. values]);
    }

    [TestCaseSource(nameof(Formats))]
    public void Numbers_over_all_of_float32_are_rounded_to_nearest_even(object format)
    {
        var values = new float[(int)(uint.MaxValue / Step) + 1];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = BitConverter.UInt32BitsToSingle((uint)i * Step);
        }

        AssertRounded((NumberFormat)format, values);
    }

    [Test]
    public void The_oracle_agrees_with_the_runtime_about_half()
    {
        for (uint bits = 0; bits <= ushort.MaxValue; bits++)
        {
            double value = NumberFormat.Float16.Decode(bits);
            Assert.That(value, Is.EqualTo((double)BitConverter.UInt16BitsToHalf((ushort)bits)));
            double between = value * 1.0003;
            Assert.That(NumberFormat.Float16.Round(between), Is.EqualTo((double)(Half)between));
        }
    }

    private static void AssertRounded(NumberFormat format, float[] values)
    {
        uint[] actual = EmulatedKernels.Of(KernelPrecision.F32).Round(format, values);
        for (int i = 0; i < values.Length; i++)
        {
            uint expected = format.Encode(format.Round(values[i]));
            if (actual[i] != expected)
            {
                Assert.Fail($"{values[i]:R} ({BitConverter.SingleToUInt32Bits(values[i]):X8}) became {actual[i]:X}, expected {expected:X}.");
            }
        }
    }

    // Of the many encodings of NaN, one.
    private static long Bits(double value) => BitConverter.DoubleToInt64Bits(double.IsNaN(value) ? double.NaN : value);
}
