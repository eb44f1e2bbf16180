using System.Buffers.Binary;
using CsCheck;
using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Files;
using NativeFfn.Checkpoints.Files.Safetensors;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

[TestFixture]
public sealed class SafetensorsWriterTests
{
    private static readonly Gen<(string Type, long[] Shape)> GenTensor =
        Gen.Select(Gen.Int[0, 2].Select(static i => new[] { "F32", "BF16", "F16" }[i]), Gen.Long[0, 7].Array[0, 4]);

    [Test]
    public void Elements_of_any_type_are_written_as_bytes_and_floats_only_as_floats()
    {
        using var folder = new TempFolder();
        using (var writer = new SafetensorsWriter(folder["a"], [("codes", "I32", [1, 2]), ("scale", "F32", [1])]))
        {
            Assert.That(() => writer.Write([1f]), Throws.ArgumentException.With.Message.Contains("'codes' has type I32"));
            Assert.That(() => writer.WriteBytes([1, 2, 3]), Throws.ArgumentException.With.Message.Contains("no whole elements").Or.Message.Contains("3 bytes"));
            Assert.That(() => writer.WriteBytes(new byte[12]), Throws.ArgumentException.With.Message.Contains("2 elements of 4 bytes left"));
            writer.WriteBytes([1, 2, 3, 4, 5, 6, 7, 8]);
            writer.Write([0.5f]);
            writer.Commit();
        }

        Assert.That(TinySafetensors.ReadBytes(folder["a"], "codes"), Is.EqualTo(new byte[] { 1, 2, 3, 4, 5, 6, 7, 8 }));
        Assert.That(TinySafetensors.ReadFloats(folder["a"], "scale"), Is.EqualTo(new[] { 0.5f }));
    }

    [Test]
    public void What_is_written_in_any_pieces_is_read_back() =>
        Gen.Select(GenTensor.Array[0, 6], Gen.Int[1, 300], Gen.Int).Sample((declared, piece, seed) =>
        {
            using var folder = new TempFolder();
            string path = folder["out.safetensors"];
            (string Name, string Type, long[] Shape)[] tensors = [.. declared.Select((tensor, i) => ($"täns\"{i}\n", tensor.Type, tensor.Shape))];
            int count = (int)tensors.Sum(static tensor => tensor.Shape.Aggregate(1L, static (a, b) => a * b));
            var random = new Random(seed);

            // Small integers survive every type.
            float[] values = [.. Enumerable.Range(0, count).Select(_ => (float)random.Next(-256, 257))];
            using (var writer = new SafetensorsWriter(path, tensors, new Dictionary<string, string> { ["format"] = "pt" }))
            {
                for (int i = 0; i < count; i += piece)
                {
                    writer.Write(values.AsSpan(i, Math.Min(piece, count - i)));
                }

                writer.Commit();
            }

            long headerLength = (long)BinaryPrimitives.ReadUInt64LittleEndian(File.ReadAllBytes(path));
            Assert.That(headerLength % 8, Is.Zero);
            using ITensorFile file = TensorFiles.Open(path);
            Assert.That(((SafetensorsFile)file).Metadata["format"], Is.EqualTo("pt"));
            int next = 0;
            foreach ((string name, string type, long[] shape) in tensors)
            {
                float[] expected = values[next..(next + (int)file.Find(name).ElementCount)];
                Assert.That(file.Find(name).Type, Is.EqualTo(type));
                Assert.That(file.Find(name).Shape, Is.EqualTo(shape));
                Assert.That(TinySafetensors.ReadFloats(path, name), Is.EqualTo(expected));
                next += expected.Length;
            }

            Assert.That(next, Is.EqualTo(count));
            Assert.That(Directory.GetFiles(folder.Path), Has.Length.EqualTo(1));
        });

    [Test]
    public void Tensors_longer_than_the_buffer_keep_their_order()
    {
        using var folder = new TempFolder();
        float[] values = [.. Enumerable.Range(0, 250_001).Select(static i => (float)(i % 2048))];
        using (var writer = new SafetensorsWriter(folder["a"], [("a", "F16", [100_001]), ("b", "F32", [150_000])]))
        {
            writer.Write(values);
            writer.Commit();
        }

        Assert.That(TinySafetensors.ReadFloats(folder["a"], "a"), Is.EqualTo(values[..100_001]));
        Assert.That(TinySafetensors.ReadFloats(folder["a"], "b"), Is.EqualTo(values[100_001..]));
    }

    // The expected bits follow from the formats: one unit in the last place at 1 is 2^-7 in bfloat16 and 2^-10 in float16.
    [TestCase("BF16", 1.00390625f, 0x3F80, TestName = "BF16: halfway goes down to even")]
    [TestCase("BF16", 1.01171875f, 0x3F82, TestName = "BF16: halfway goes up to even")]
    [TestCase("BF16", 1.0039063692f, 0x3F81, TestName = "BF16: just above halfway goes up")]
    [TestCase("BF16", 3.4e38f, 0x7F80, TestName = "BF16: past the largest is infinite")]
    [TestCase("BF16", float.NegativeInfinity, 0xFF80, TestName = "BF16: infinity")]
    [TestCase("BF16", -0f, 0x8000, TestName = "BF16: minus zero")]
    [TestCase("BF16", 1e-45f, 0x0000, TestName = "BF16: the smallest float vanishes")]
    [TestCase("F16", 1.00048828125f, 0x3C00, TestName = "F16: halfway goes down to even")]
    [TestCase("F16", 1.00146484375f, 0x3C02, TestName = "F16: halfway goes up to even")]
    [TestCase("F16", 1.00048840045f, 0x3C01, TestName = "F16: just above halfway goes up")]
    [TestCase("F16", 65519.996f, 0x7BFF, TestName = "F16: the largest")]
    [TestCase("F16", 65520f, 0x7C00, TestName = "F16: past the largest is infinite")]
    [TestCase("F16", 5.9604645e-8f, 0x0001, TestName = "F16: the smallest subnormal")]
    [TestCase("F16", 2.9802322e-8f, 0x0000, TestName = "F16: half the smallest subnormal goes to zero")]
    [TestCase("F16", 8.940697e-8f, 0x0002, TestName = "F16: one and a half of it goes up to even")]
    public void Elements_are_rounded_to_the_nearest_even(string type, float value, int bits) =>
        Assert.That(WrittenBits(type, value), Is.EqualTo(bits));

    [TestCase("BF16", 0x7F80, 0x7F)]
    [TestCase("F16", 0x7C00, 0x3FF)]
    public void A_NaN_stays_one_even_with_low_payload_bits(string type, int exponentBits, int mantissaBits)
    {
        int bits = WrittenBits(type, BitConverter.Int32BitsToSingle(0x7F800001));
        Assert.That(bits & exponentBits, Is.EqualTo(exponentBits));
        Assert.That(bits & mantissaBits, Is.Not.Zero);
    }

    [Test]
    public void Without_a_commit_nothing_appears_and_nothing_changes()
    {
        using var folder = new TempFolder();
        string path = folder.Write("out.safetensors", "precious");
        using (var writer = new SafetensorsWriter(path, [("a", "F32", [3])]))
        {
            writer.Write([1f, 2f]);
            Assert.That(() => writer.Commit(), Throws.InvalidOperationException.With.Message.Contains("'a' lacks 1 elements"));
            Assert.That(() => writer.Write([3f, 4f]), Throws.ArgumentException.With.Message.Contains("have 1 left"));
        }

        Assert.That(File.ReadAllText(path), Is.EqualTo("precious"));
        Assert.That(Directory.GetFileSystemEntries(folder.Path), Has.Length.EqualTo(1));
    }

    [Test]
    public void An_existing_file_and_an_empty_one_are_replaced_and_a_link_kept()
    {
        using var folder = new TempFolder();
        folder.Write("old", "something longer than the new file, which is short? no matter");
        folder.Write("empty", "");
        File.CreateSymbolicLink(folder["link"], "old");
        foreach (string name in new[] { "empty", "link" })
        {
            using var writer = new SafetensorsWriter(folder[name], [("a", "F32", [])]);
            writer.Write([7f]);
            writer.Commit();
        }

        Assert.That(TinySafetensors.ReadFloats(folder["empty"], "a"), Is.EqualTo(new[] { 7f }));
        Assert.That(TinySafetensors.ReadFloats(folder["old"], "a"), Is.EqualTo(new[] { 7f }));
        Assert.That(new FileInfo(folder["link"]).LinkTarget, Is.EqualTo("old"));
    }

    [Test]
    [Platform("Linux")]
    public void A_full_device_is_an_error_and_stays_a_device()
    {
        Assert.That(
            () =>
            {
                using var writer = new SafetensorsWriter("/dev/full", [("a", "F32", [100_000])]);
                writer.Write(new float[100_000]);
                writer.Commit();
            },
            Throws.TypeOf<CheckpointException>().With.Message.StartsWith("/dev/full: cannot be written: No space left"));
        Assert.That(File.Exists("/dev/full"), Is.True);
        Assert.That(() => File.WriteAllText("/dev/full", "x"), Throws.InstanceOf<IOException>());
    }

    [Test]
    [Platform("Linux")]
    public void A_device_takes_a_whole_file()
    {
        using var writer = new SafetensorsWriter("/dev/null", [("a", "F32", [100_000])]);
        writer.Write(new float[100_000]);
        writer.Commit();
        Assert.That(File.Exists("/dev/null"), Is.True);
        Assert.That(new FileInfo("/dev/null").Length, Is.Zero);
    }

    [Test]
    public void A_file_that_no_disk_holds_is_refused_at_once_and_leaves_nothing()
    {
        using var folder = new TempFolder();
        Assert.That(
            () => new SafetensorsWriter(folder["huge"], [("a", "F32", [1L << 58])]).Dispose(),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("huge: cannot be written"));
        Assert.That(Directory.GetFileSystemEntries(folder.Path), Is.Empty);
    }

    [Test]
    public void A_link_without_a_commit_leaves_what_it_leads_to_as_it_was()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder["real"], "before");
        File.CreateSymbolicLink(folder["link"], folder["real"]);
        using (var writer = new SafetensorsWriter(folder["link"], [("x", "F32", [2])]))
        {
            writer.Write([1f]);
        }

        Assert.That(File.ReadAllText(folder["real"]), Is.EqualTo("before"));
    }

    [Test]
    public void A_link_to_a_file_that_is_not_there_yet_makes_it()
    {
        using var folder = new TempFolder();
        File.CreateSymbolicLink(folder["link"], folder["real"]);
        using (var writer = new SafetensorsWriter(folder["link"], [("x", "F32", [1])]))
        {
            writer.Write([1f]);
            writer.Commit();
        }

        Assert.Multiple(() =>
        {
            Assert.That(new FileInfo(folder["link"]).LinkTarget, Is.EqualTo(folder["real"]));
            using ITensorFile file = TensorFiles.Open(folder["real"]);
            Assert.That(file.Tensors.Keys, Is.EqualTo(new[] { "x" }));
        });
    }

    [Test]
    [Platform("Linux")]
    public void A_pipe_is_written_directly()
    {
        using var pipe = new System.IO.Pipes.AnonymousPipeServerStream(System.IO.Pipes.PipeDirection.In);
        string path = $"/proc/self/fd/{pipe.ClientSafePipeHandle.DangerousGetHandle()}";
        using (var writer = new SafetensorsWriter(path, [("x", "F32", [2])]))
        {
            writer.Write([1f, 2f]);
            writer.Commit();
        }

        pipe.DisposeLocalCopyOfClientHandle();
        using var copy = new MemoryStream();
        pipe.CopyTo(copy);
        using var folder = new TempFolder();
        File.WriteAllBytes(folder["copy"], copy.ToArray());
        using ITensorFile file = TensorFiles.Open(folder["copy"]);
        var values = new float[2];
        StoredRows.Of(file, file.Find("x")).ReadFloats(0, values);
        Assert.That(values, Is.EqualTo(new[] { 1f, 2f }));
    }

    [Test]
    public void A_place_that_takes_no_file_is_refused_by_name()
    {
        using var folder = new TempFolder();
        Assert.That(() => new SafetensorsWriter(folder.Path, []), Throws.TypeOf<CheckpointException>().With.Message.Contains("is a directory"));
        Assert.That(
            () => new SafetensorsWriter(folder["no/where"], []), Throws.TypeOf<CheckpointException>().With.Message.Contains("does not exist"));
        Assert.That(() => new SafetensorsWriter(folder["a/"], []), Throws.TypeOf<CheckpointException>());
        Assert.That(Directory.GetFileSystemEntries(folder.Path), Is.Empty);
    }

    [Test]
    public void Declarations_are_checked()
    {
        using var folder = new TempFolder();
        Assert.That(() => new SafetensorsWriter(folder["a"], [("a", "F65", [1])]), Throws.ArgumentException.With.Message.Contains("'F65'"));
        Assert.That(() => new SafetensorsWriter(folder["a"], [("a", "F32", [1]), ("a", "F32", [1])]), Throws.ArgumentException.With.Message.Contains("twice"));
        Assert.That(() => new SafetensorsWriter(folder["a"], [("__metadata__", "F32", [1])]), Throws.ArgumentException.With.Message.Contains("reserved"));
        Assert.That(() => new SafetensorsWriter(folder["a"], [("a", "F32", [-1])]), Throws.ArgumentException.With.Message.Contains("[-1]"));
        Assert.That(() => new SafetensorsWriter(folder["a"], [("a", "F32", [1L << 32, 1L << 32])]), Throws.ArgumentException);
        Assert.That(Directory.GetFileSystemEntries(folder.Path), Is.Empty);
    }

    [Test]
    public void After_a_commit_the_writer_is_done()
    {
        using var folder = new TempFolder();
        var writer = new SafetensorsWriter(folder["a"], [("none", "F32", [0, 5])]);
        writer.Commit();
        Assert.That(() => writer.Commit(), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => writer.Write([]), Throws.TypeOf<ObjectDisposedException>());
        writer.Dispose();
        writer.Dispose();
        Assert.That(TinySafetensors.Shape(folder["a"], "none"), Is.EqualTo(new long[] { 0, 5 }));
    }

    private static int WrittenBits(string type, float value)
    {
        using var folder = new TempFolder();
        using (var writer = new SafetensorsWriter(folder["a"], [("a", type, [1])]))
        {
            writer.Write([value]);
            writer.Commit();
        }

        return BinaryPrimitives.ReadUInt16LittleEndian(File.ReadAllBytes(folder["a"]).AsSpan()[^2..]);
    }
}
