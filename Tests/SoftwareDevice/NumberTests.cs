using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Software;

/// <summary>The one definition of the number formats, against the runtime's own and against itself between the numbers.</summary>
public sealed unsafe class NumberTests
{
    private static readonly NumberFormat[] Formats = [NumberFormat.BFloat16, NumberFormat.Float16, NumberFormat.E4M3];

    [Test]
    public void Every_code_is_the_number_that_its_bits_define()
    {
        for (uint code = 0; code < 65536; code++)
        {
            Assert.That(NumberFormat.BFloat16.Decode(code), Is.EqualTo((double)BitConverter.UInt32BitsToSingle(code << 16)), $"bf16 {code:x}");
            Assert.That(NumberFormat.Float16.Decode(code), Is.EqualTo((double)BitConverter.UInt16BitsToHalf((ushort)code)), $"f16 {code:x}");
        }

        // Sign, four bits of exponent less 7, three bits behind the point; all ones is no number, and there is no infinity.
        for (uint code = 0; code < 256; code++)
        {
            (int exponent, int mantissa) = ((int)(code >> 3) & 15, (int)code & 7);
            double magnitude = (code & 0x7F) == 0x7F ? double.NaN
                : exponent == 0 ? Math.ScaleB(mantissa, -9) : Math.ScaleB(8 + mantissa, exponent - 10);
            Assert.That(NumberFormat.E4M3.Decode(code), Is.EqualTo(code < 128 ? magnitude : -magnitude), $"e4m3 {code:x}");
        }
    }

    [TestCaseSource(nameof(Formats))]
    public void Every_number_keeps_its_code_and_between_two_the_nearer_one_is_taken_in_the_middle_the_even_one(object format)
    {
        var number = (NumberFormat)format;
        for (uint code = 0; code < 1u << (8 * number.Bytes); code++)
        {
            double value = number.Decode(code);
            if (double.IsNaN(value))
            {
                Assert.That(number.Decode(Stored(number, float.NaN)), Is.NaN);
                continue;
            }

            Assert.That(Stored(number, (float)value), Is.EqualTo(code), $"{value}");
            double next = number.Decode(code + 1);
            if (double.IsFinite(value) && double.IsFinite(next) && Math.Sign(value) >= 0 && next > value)
            {
                float middle = (float)((value + next) / 2);
                Assert.That(Stored(number, middle), Is.EqualTo(code % 2 == 0 ? code : code + 1), $"the middle of {value} and {next}");
                Assert.That(Stored(number, MathF.BitDecrement(middle)), Is.EqualTo(code), $"below the middle of {value} and {next}");
                Assert.That(Stored(number, MathF.BitIncrement(middle)), Is.EqualTo(code + 1), $"above the middle of {value} and {next}");
            }
        }
    }

    [Test]
    public void What_is_too_large_or_no_number_becomes_what_the_kernels_sheet_says() => Assert.Multiple(static () =>
    {
        Assert.That(Stored(NumberFormat.E4M3, 1e9f), Is.EqualTo(0x7E));
        Assert.That(Stored(NumberFormat.E4M3, -465f), Is.EqualTo(0xFE));
        Assert.That(Stored(NumberFormat.E4M3, float.PositiveInfinity), Is.EqualTo(0x7F));
        Assert.That(Stored(NumberFormat.BFloat16, float.MaxValue), Is.EqualTo(0x7F80));
        Assert.That(NumberFormat.Float16.Round(65520f), Is.EqualTo(double.PositiveInfinity));
        Assert.That(NumberFormat.Float16.Round(65519f), Is.EqualTo(65504d));
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
                (double)MatmulOperation.TensorFloat32(value), Is.EqualTo(Math.Round(value / step, MidpointRounding.AwayFromZero) * step),
                $"{value:r}");
        }
    }

    // The code that a number is stored as; read back, it is the number that it is rounded to.
    private static uint Stored(NumberFormat format, float value)
    {
        ushort bits = 0;
        float widened = 0;
        format.Store([value], (byte*)&bits);
        format.Widen((byte*)&bits, new Span<float>(ref widened));
        Assert.That((double)widened, Is.EqualTo(format.Round(value)));
        return bits;
    }
}
