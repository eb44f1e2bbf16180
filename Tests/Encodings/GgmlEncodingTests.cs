using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Encodings.Ggml;
using NUnit.Framework;

namespace NativeFfn.Tests.Encodings;

/// <summary>Every block type of ggml: the numbers that ggml's own functions give, and closed forms, bit by bit.</summary>
[TestFixture]
public sealed class GgmlEncodingTests
{
    private static readonly string[] Types =
    [
        "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs", "mxfp4", "nvfp4", "q1_0",
        "q2_0", "tq1_0", "tq2_0", "iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s",
    ];

    [Test]
    public void Every_type_is_among_the_cases() => Assert.That(
        WeightEncodings.All.Where(static known => known.GetType().IsGenericType).Select(static known => known.Name),
        Is.EquivalentTo(Types));

    [Test]
    public void Blocks_have_the_values_that_ggml_gives([ValueSource(nameof(Types))] string type)
    {
        string file = Path.Combine(AppContext.BaseDirectory, "Encodings", "ggml-blocks.json");
        using JsonDocument blocks = JsonDocument.Parse(File.ReadAllBytes(file));
        JsonElement[] cases = [.. blocks.RootElement.EnumerateArray().Where(one => one.GetProperty("type").GetString() == type)];
        Assert.That(cases, Has.Length.EqualTo(3));
        foreach (JsonElement one in cases)
        {
            byte[] expected = Convert.FromHexString(one.GetProperty("values").GetString()!);
            uint[] bits = [.. expected.Chunk(4).Select(static bytes => BinaryPrimitives.ReadUInt32BigEndian(bytes))];
            float[] decoded = Decode(Find(type), Convert.FromHexString(one.GetProperty("block").GetString()!), 0, bits.Length);
            Assert.That(decoded.Select(BitConverter.SingleToUInt32Bits), Is.EqualTo(bits));
        }
    }

    [Test]
    public void Rows_of_random_blocks_have_the_values_of_the_closed_form([ValueSource(nameof(Types))] string type)
    {
        WeightEncoding encoding = Find(type);
        var random = new Random(type.Length);
        for (int round = 0; round < 20; round++)
        {
            const int blocks = 4;
            int columns = blocks * encoding.BlockColumns;
            byte[] row = new byte[encoding.RowBytes(columns)];
            random.NextBytes(row);
            uint[] expected = [.. row.Chunk(encoding.BlockBytes).SelectMany(
                block => Enumerable.Range(0, encoding.BlockColumns).Select(i => Bits(new GgmlFormulas(block).Value(type, i))))];
            Assert.That(Decode(encoding, row, 0, columns).Select(Bits), Is.EqualTo(expected), Convert.ToHexString(row));

            // From any block on, and to any column.
            int first = random.Next(blocks) * encoding.BlockColumns;
            int count = random.Next(1, columns - first + 1);
            Assert.That(Decode(encoding, row, first, count).Select(Bits), Is.EqualTo(expected.Skip(first).Take(count)));
        }
    }

    [Test]
    public void Pieces_smaller_than_a_block_are_read([ValueSource(nameof(Types))] string type)
    {
        WeightEncoding encoding = Find(type);
        byte[] row = new byte[encoding.BlockBytes];
        new Random(3).NextBytes(row);
        float[] whole = Decode(encoding, row, 0, encoding.BlockColumns);
        foreach (int count in new[] { 0, 1, 15, 31, encoding.BlockColumns - 1 })
        {
            Assert.That(Decode(encoding, row, 0, count), Is.EqualTo(whole[..count]));
        }
    }

    [TestCase("Iq2Xxs", "05826b5d3e472a3a78f196be62ac78acf81df0f909626e12ab9fa2a5d490dd54")]
    [TestCase("Iq2Xs", "06e47aaca60b4dc1d9b5a3f34540437058a6b142b4d7a59d5ded769b4d1bf1de")]
    [TestCase("Iq2S", "e1aa1473412b0552c2174c30ef22ab4073f6a181b85a17056e8249bd2932fd88")]
    [TestCase("Iq3Xxs", "46e35f5a997efdee6c99ce57854c8a0d4f0ff8ca57e5e8a60c0793ea580acf5d")]
    [TestCase("Iq3S", "bd1af4945a1717c65610b0284e4628b9a1ba3b306fae3a06f6e5f597356e349f")]
    [TestCase("Iq1", "07540ffc1aeaf6ad4d97e96b0fcc765aae39671d4ae4a27bbd0e796fde167c6a")]
    public void A_grid_has_the_bytes_of_the_table_in_ggml_common_h(string name, string hash)
    {
        ReadOnlySpan<byte> bytes = typeof(IqGrid).GetField(name)!.GetValue(null) switch
        {
            ulong[] grid => MemoryMarshal.AsBytes<ulong>(grid),
            uint[] grid => MemoryMarshal.AsBytes<uint>(grid),
            var other => throw new AssertionException($"{name} is {other}"),
        };
        Assert.That(Convert.ToHexString(SHA256.HashData(bytes)), Is.EqualTo(hash).IgnoreCase);
    }

    [Test]
    public void The_smallest_exponents_of_mxfp4_are_subnormal_and_the_last_is_no_number()
    {
        // Code 7 is 6, code 1 is ½.
        byte[] block = [0, .. Enumerable.Repeat((byte)0x17, 16)];
        Assert.That(Decode(Find("mxfp4"), block, 0, 32)[..1], Is.EqualTo(new[] { 6 * MathF.Pow(2, -127) }));
        Assert.That(Decode(Find("mxfp4"), block, 0, 32)[16], Is.EqualTo(MathF.Pow(2, -128)).And.GreaterThan(0));
        block[0] = 255;
        Assert.That(Decode(Find("mxfp4"), block, 0, 32), Has.All.NaN);
    }

    [Test]
    public void A_scale_beside_the_rows_is_multiplied_in_once_rounded()
    {
        byte[] row = new byte[36];
        new Random(5).NextBytes(row);
        float[] stored = Decode(Find("nvfp4"), row, 0, 64);
        var scaled = new ScaledEncoding(Find("nvfp4"), 0.3f);
        Assert.That(Decode(scaled, row, 0, 64), Is.EqualTo(stored.Select(static weight => (float)((double)weight * 0.3f))));
        Assert.That((scaled.Name, scaled.RowBytes(64), scaled.Error), Is.EqualTo(("nvfp4", 36L, (double?)null)));
    }

    [Test]
    public void Doubles_are_rounded_once()
    {
        double[] values = [1, -1.0 / 3, 1e-320, 1e300, double.NaN, 1 + Math.Pow(2, -24) + Math.Pow(2, -50)];
        byte[] row = MemoryMarshal.AsBytes<double>(values).ToArray();
        Assert.That(Decode(Find("f64"), row, 1, 5), Is.EqualTo(values.Skip(1).Select(static value => (float)value)));
    }

    [Test]
    public void Nothing_is_converted_to_a_block_type([ValueSource(nameof(Types))] string type)
    {
        Assert.That((Find(type).Precision, Find(type).Error), Is.EqualTo(((FfnPrecision?)null, (double?)null)));
        Assert.That(
            () => Find(type).Encode(new float[256], new byte[512]),
            Throws.TypeOf<NotSupportedException>().With.Message.EqualTo($"Weights cannot be converted to {type}."));
    }

    private static WeightEncoding Find(string name) => WeightEncodings.All.Single(known => known.Name == name);

    private static float[] Decode(WeightEncoding encoding, byte[] row, int first, int count)
    {
        float[] weights = new float[count];
        encoding.Decode(row, first, weights);
        return weights;
    }

    // One NaN is as good as another.
    private static uint Bits(float value) => BitConverter.SingleToUInt32Bits(float.IsNaN(value) ? float.NaN : value);
}
