using NUnit.Framework;

namespace NativeFfn.Tests.Software;

/// <summary>Conversions against the definitions of the formats, in float64.</summary>
public sealed unsafe class NumberTests
{
    [Test]
    public void Every_code_is_the_number_that_its_bits_define([Values] bool isFloat8)
    {
        for (int code = 0; code < (isFloat8 ? 256 : 65536); code++)
        {
            float value = isFloat8 ? Numbers.E4M3((byte)code) : Numbers.BFloat16((ushort)code);
            double expected = isFloat8 ? Decode(code, 4, 3, hasInfinity: false) : Decode(code, 8, 7, hasInfinity: true);
            Assert.That((double)value, Is.EqualTo(expected), $"code {code:x}");
        }
    }

    [Test]
    public void Every_number_of_a_format_keeps_its_code()
    {
        for (int code = 0; code < 65536; code++)
        {
            float value = Numbers.BFloat16((ushort)code);
            Assert.That((int)Numbers.BFloat16(value), Is.EqualTo(float.IsNaN(value) ? code | 0x40 : code), $"bf16 {code:x}");
            if (code < 256)
            {
                Assert.That(Numbers.E4M3(Numbers.E4M3((byte)code)), Is.EqualTo((byte)code), $"e4m3 {code:x}");
            }
        }
    }

    [Test]
    public void Between_two_numbers_the_nearer_one_is_taken_and_in_the_middle_the_even_one()
    {
        for (int code = 0; code < 0x7E; code++)
        {
            AssertBetween(Numbers.E4M3((byte)code), Numbers.E4M3((byte)(code + 1)), code, static x => Numbers.E4M3(x));
        }

        for (int code = 0; code < 0x7F7F; code++)
        {
            AssertBetween(Numbers.BFloat16((ushort)code), Numbers.BFloat16((ushort)(code + 1)), code, static x => Numbers.BFloat16(x));
        }
    }

    [Test]
    public void What_is_too_large_or_no_number_becomes_what_the_kernels_sheet_says() => Assert.Multiple(static () =>
    {
        Assert.That(Numbers.E4M3(1e9f), Is.EqualTo(0x7E));
        Assert.That(Numbers.E4M3(-465f), Is.EqualTo(0xFE));
        Assert.That(Numbers.E4M3(float.PositiveInfinity), Is.EqualTo(0x7F));
        Assert.That(Numbers.E4M3(float.NaN) & 0x7F, Is.EqualTo(0x7F));
        Assert.That(Numbers.BFloat16(float.MaxValue), Is.EqualTo(0x7F80));
        Assert.That(Rounded(Number.F16, 65520f), Is.EqualTo(float.PositiveInfinity));
        Assert.That(Rounded(Number.F16, 65519f), Is.EqualTo(65504f));
        Assert.That(Rounded(Number.F16, float.NaN), Is.NaN);
    });

    [Test]
    public void TF32_keeps_ten_bits_behind_the_point()
    {
        var random = new Random(5);
        for (int i = 0; i < 10000; i++)
        {
            float value = (float)((random.NextDouble() - 0.5) * Math.ScaleB(1, random.Next(-20, 20)));
            double step = Math.ScaleB(1, Math.ILogB(value) - 10);
            Assert.That(
                (double)Numbers.TensorFloat32(value), Is.EqualTo(Math.Round(value / step, MidpointRounding.AwayFromZero) * step),
                $"{value:r}");
        }
    }

    private static float Rounded(Number number, float value)
    {
        byte* bytes = stackalloc byte[4];
        Numbers.Round(number, [value], bytes);
        float[] widened = new float[1];
        Numbers.Widen(number, bytes, widened);
        return widened[0];
    }

    private static void AssertBetween(float low, float high, int code, Func<float, int> round)
    {
        float middle = (float)(((double)low + high) / 2);
        Assert.That(round(middle), Is.EqualTo(code % 2 == 0 ? code : code + 1), $"the middle of {low} and {high}");
        Assert.That(round(MathF.BitDecrement(middle)), Is.EqualTo(code), $"below the middle of {low} and {high}");
        Assert.That(round(MathF.BitIncrement(middle)), Is.EqualTo(code + 1), $"above the middle of {low} and {high}");
    }

    private static double Decode(int code, int exponentBits, int mantissaBits, bool hasInfinity)
    {
        int exponent = (code >> mantissaBits) & ((1 << exponentBits) - 1);
        int mantissa = code & ((1 << mantissaBits) - 1);
        int bias = (1 << (exponentBits - 1)) - 1;
        double sign = code >> (exponentBits + mantissaBits) == 0 ? 1 : -1;
        bool isTop = exponent == (1 << exponentBits) - 1;
        if (isTop && (hasInfinity || mantissa == (1 << mantissaBits) - 1))
        {
            return hasInfinity && mantissa == 0 ? sign * double.PositiveInfinity : double.NaN;
        }

        double fraction = Math.ScaleB(mantissa, -mantissaBits) + (exponent == 0 ? 0 : 1);
        return sign * Math.ScaleB(fraction, Math.Max(exponent, 1) - bias);
    }
}
