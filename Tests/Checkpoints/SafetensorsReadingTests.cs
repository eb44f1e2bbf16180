using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;
using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Files;
using NativeFfn.Checkpoints.Files.Safetensors;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

[TestFixture]
public sealed class SafetensorsReadingTests
{
    [Test]
    public void Scalars_empty_tensors_and_unordered_headers_are_accepted()
    {
        using var folder = new TempFolder();
        const string header = """
            {"late":{"dtype":"F32","shape":[1],"data_offsets":[5,9]},"none":{"dtype":"F64","shape":[3,0,2],"data_offsets":[5,5]},
            "scalar":{"shape":[],"data_offsets":[1,5],"dtype":"F32"},"byte":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]},
            "__metadata__":{"format":"pt","":"ä\n"}}
            """;
        byte[] data = [1, .. RawCheckpoint.Bytes(0.5f, -2f)];
        using ITensorFile file = TensorFiles.Open(folder.Write(
            "a.safetensors", RawCheckpoint.File(System.Text.Encoding.UTF8.GetBytes(header + "   \n"), data)));

        Assert.That(((SafetensorsFile)file).Metadata, Is.EqualTo(new Dictionary<string, string> { ["format"] = "pt", [""] = "ä\n" }));
        Assert.That(file.Find("scalar").Shape, Is.Empty);
        Assert.That(file.Find("scalar").ElementCount, Is.EqualTo(1));
        Assert.That(file.Find("none").ElementCount, Is.Zero);
        Assert.That(Read(file, "scalar"), Is.EqualTo(new[] { 0.5f }));
        Assert.That(Read(file, "late"), Is.EqualTo(new[] { -2f }));
    }

    [TestCase("BOOL", 1)]
    [TestCase("U8", 1)]
    [TestCase("I8", 1)]
    [TestCase("F8_E4M3", 1)]
    [TestCase("F8_E5M2", 1)]
    [TestCase("F8_E8M0", 1)]
    [TestCase("F8_E4M3FNUZ", 1)]
    [TestCase("F8_E5M2FNUZ", 1)]
    [TestCase("U16", 2)]
    [TestCase("I16", 2)]
    [TestCase("U32", 4)]
    [TestCase("I32", 4)]
    [TestCase("U64", 8)]
    [TestCase("I64", 8)]
    [TestCase("C64", 8)]
    public void Other_types_are_known_but_not_read(string type, int size)
    {
        using var folder = new TempFolder();
        using ITensorFile file = TensorFiles.Open(folder.Write("a.safetensors", RawCheckpoint.File(("t", type, [3L], new byte[3 * size]))));
        Assert.That(file.Find("t").Type, Is.EqualTo(type));
        Assert.That(
            () => Read(file, "t"), Throws.TypeOf<CheckpointException>().With.Message.Contains($"tensor 't' has type {type}; weights of F32, BF16, F16 and F64"));
    }

    [Test]
    public void F64_is_rounded_once()
    {
        using var folder = new TempFolder();
        byte[] bytes = [.. new[] { 0.1, 1 + Math.Pow(2, -24), 1 + Math.Pow(2, -24) + Math.Pow(2, -50), -1e300 }.SelectMany(BitConverter.GetBytes)];
        using ITensorFile file = TensorFiles.Open(folder.Write("a.safetensors", RawCheckpoint.File(("t", "F64", [4L], bytes))));
        Assert.That(Read(file, "t"), Is.EqualTo(new[] { 0.1f, 1, 1 + MathF.Pow(2, -23), float.NegativeInfinity }));
    }

    [TestCase("BF16")]
    [TestCase("F16")]
    public void Every_16_bit_float_is_widened_exactly(string type)
    {
        byte[] all = MemoryMarshal.AsBytes(Enumerable.Range(0, 65536).Select(static bits => (ushort)bits).ToArray().AsSpan()).ToArray();
        using var folder = new TempFolder();
        using ITensorFile file = TensorFiles.Open(folder.Write("a.safetensors", RawCheckpoint.File(("t", type, [65536L], all))));
        float[] expected = TinySafetensors.Widen(type, all);
        float[] actual = Read(file, "t");
        for (int i = 0; i < expected.Length; i++)
        {
            bool same = float.IsNaN(expected[i])
                ? float.IsNaN(actual[i])
                : BitConverter.SingleToInt32Bits(expected[i]) == BitConverter.SingleToInt32Bits(actual[i]);
            Assert.That(same, $"{type} 0x{i:X4} became {actual[i]:R}, not {expected[i]:R}");
        }
    }

    [Test]
    public void Any_part_of_a_tensor_is_read_as_the_whole_would_have_it([Values("F32", "BF16", "F16")] string type)
    {
        // Longer than one staging buffer, at an odd place in the file.
        const int count = 300_001;
        byte[] bytes = new byte[count * (type == "F32" ? 4 : 2)];
        new Random(5).NextBytes(bytes);
        using var folder = new TempFolder();
        using ITensorFile file = TensorFiles.Open(folder.Write(
            "a.safetensors", RawCheckpoint.File(("odd", "U8", [3L], new byte[3]), ("t", type, [count], bytes))));
        float[] expected = TinySafetensors.Widen(type, bytes);
        foreach ((int first, int length) in new[] { (0, count), (1, 0), (count, 0), (count - 1, 1), (131_071, 2), (7, 131_073), (12_345, 37) })
        {
            float[] actual = new float[length];
            Parts(file, file.Find("t")).ReadFloats(first, actual);
            Assert.That(actual, Is.EqualTo(expected[first..(first + length)]), $"{length} from {first}");
        }
    }

    [Test]
    public void Infinities_and_NaNs_are_read_as_they_are()
    {
        using var folder = new TempFolder();
        float[] values = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, -0f, float.Epsilon];
        using ITensorFile file = TensorFiles.Open(folder.Write("a.safetensors", RawCheckpoint.File(("t", "F32", [5L], RawCheckpoint.Bytes(values)))));
        Assert.That(RawCheckpoint.Bytes(Read(file, "t")), Is.EqualTo(RawCheckpoint.Bytes(values)));
    }

    [Test]
    public void Elements_beyond_a_tensor_are_never_read()
    {
        using var folder = new TempFolder();
        using ITensorFile file = TensorFiles.Open(folder.Write("a.safetensors", RawCheckpoint.Counting(("a", [4]), ("b", [4]))));
        TensorEntry tensor = file.Find("a");
        Assert.That(() => Parts(file, tensor).ReadFloats(0, new float[5]), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Parts(file, tensor).ReadFloats(4, new float[1]), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Parts(file, tensor).ReadFloats(-1, new float[1]), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Parts(file, tensor).ReadFloats(long.MaxValue, new float[1]), Throws.InstanceOf<ArgumentOutOfRangeException>());
        var forged = new TensorEntry("a", "F32", WeightEncodings.Float32, [1_000_000], 8, 4_000_000);
        Assert.That(() => Parts(file, forged).ReadFloats(0, new float[1]), Throws.TypeOf<CheckpointException>().With.Message.Contains("outside this file"));
    }

    [Test]
    public void A_file_cut_short_while_open_is_an_error_and_not_a_crash([Values("F32", "BF16")] string type)
    {
        using var folder = new TempFolder();
        string path = folder.Write("a.safetensors", RawCheckpoint.File(("t", type, [100_000L], new byte[type == "F32" ? 400_000 : 200_000])));
        using ITensorFile file = TensorFiles.Open(path);
        using (var writer = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            writer.SetLength(1000);
        }

        Assert.That(() => Read(file, "t"), Throws.TypeOf<CheckpointException>().With.Message.Contains("cut short since it was opened"));
    }

    [Test]
    public void A_missing_tensor_and_a_closed_file_are_named()
    {
        using var folder = new TempFolder();
        ITensorFile file = TensorFiles.Open(folder.Write("a.safetensors", RawCheckpoint.Counting(("a", [4]))));
        Assert.That(() => file.Find("A"), Throws.TypeOf<CheckpointException>().With.Message.Contains("a.safetensors: has no tensor 'A'"));
        TensorEntry tensor = file.Find("a");
        file.Dispose();
        Assert.That(() => Parts(file, tensor).ReadFloats(0, new float[1]), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_link_is_followed()
    {
        using var folder = new TempFolder();
        folder.Write("blob", RawCheckpoint.Counting(("a", [2])));
        File.CreateSymbolicLink(folder["a.safetensors"], "blob");
        using ITensorFile file = TensorFiles.Open(folder["a.safetensors"]);
        Assert.That(Read(file, "a"), Is.EqualTo(new[] { 1f, 2f }));
    }

    [Test]
    public void Reading_allocates_nothing_in_steady_state([Values("F32", "F16")] string type)
    {
        using var folder = new TempFolder();
        using ITensorFile file = TensorFiles.Open(folder.Write(
            "a.safetensors", RawCheckpoint.File(("t", type, [1000L], new byte[type == "F32" ? 4000 : 2000]))));
        TensorEntry tensor = file.Find("t");
        float[] values = new float[1000];
        StoredRows rows = StoredRows.Of(file, tensor);
        rows.ReadFloats(0, values);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            rows.ReadFloats(0, values);
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1000));
    }

    // The elements of a tensor as rows of one, so that any part of it can be asked for.
    private static StoredRows Parts(ITensorFile file, TensorEntry tensor) => StoredRows.Of(file, tensor.AsColumn());

    private static float[] Read(ITensorFile file, string name)
    {
        float[] values = new float[file.Find(name).ElementCount];
        StoredRows.Of(file, file.Find(name)).ReadFloats(0, values);
        return values;
    }
}
