using System.Text;
using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Files;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Every reason to refuse a safetensors file, one case each: the error names the file and the thing in one line.</summary>
[TestFixture]
public sealed class SafetensorsRejectionTests
{
    private const string Valid = """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""";

    private static IEnumerable<TestCaseData> DamagedFiles()
    {
        yield return Case("empty", [], "is empty");
        yield return Case("shorter than its length", new byte[7], "has 7 bytes");
        yield return Case("header past the limit", RawCheckpoint.File(Valid, 8, 100_000_001), "claims a header of 100000001 bytes; the limit is 100000000");
        yield return Case("header of 2^64 - 1", RawCheckpoint.File(Valid, 8, ulong.MaxValue), "claims a header of 18446744073709551615 bytes");
        yield return Case("header past the end", RawCheckpoint.File(Valid, 0, 63), "claims a header of 63 bytes, but only 54 follow");
        yield return Case("no header", RawCheckpoint.File(""), "does not start with '{'");
        yield return Case("header starts with a space", RawCheckpoint.File(" " + Valid, 8), "does not start with '{'");
        yield return Case("header is an array", RawCheckpoint.File("[]"), "does not start with '{'");
        yield return Case("invalid UTF-8", RawCheckpoint.File([.. "{\""u8, 0xC3, 0x28, .. "\":1}"u8], []), "not valid UTF-8");
        yield return Case("escape that is no character", RawCheckpoint.File("""{"\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"""), "no valid text");
        yield return Case("JSON cut short", RawCheckpoint.File(Valid[..^1], 8), "not valid JSON");
        yield return Case("JSON with more behind it", RawCheckpoint.File(Valid + "{}", 8), "not valid JSON");
        yield return Case("JSON with a comment", RawCheckpoint.File("{/**/}"), "not valid JSON");
        yield return Case("JSON with a trailing comma", RawCheckpoint.File("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},}"), "not valid JSON");
        yield return Case("JSON too deep", Tensor(shape: "[[[1]]]"), "not valid JSON");
        yield return Case("JSON far too deep", RawCheckpoint.File("{\"__metadata__\":" + new string('[', 100_000)), "must be an object");
        yield return Case("tensor is no object", RawCheckpoint.File("""{"a":1}"""), "tensor 'a' is '1'; it must be an object");
        yield return Case("tensor twice", RawCheckpoint.File(
            """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2), "tensor 'a' twice");
        yield return Case("tensor twice, once escaped", RawCheckpoint.File(
            """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2), "tensor 'a' twice");
        yield return Case("dtype twice", RawCheckpoint.File("""{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1), "tensor 'a' has 'dtype' twice");
        yield return Case("shape twice", RawCheckpoint.File("""{"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}""", 1), "'shape' twice");
        yield return Case("data_offsets twice", RawCheckpoint.File("""{"a":{"dtype":"U8","data_offsets":[0,1],"shape":[1],"data_offsets":[0,1]}}""", 1), "'data_offsets' twice");
        yield return Case("metadata twice", RawCheckpoint.File("""{"__metadata__":{},"__metadata__":{}}"""), "'__metadata__' twice");
        yield return Case("metadata key twice", RawCheckpoint.File("""{"__metadata__":{"k":"1","k":"2"}}"""), "'k' twice");
        yield return Case("metadata is no object", RawCheckpoint.File("""{"__metadata__":"k"}"""), "__metadata__ is the string 'k'");
        yield return Case("metadata value is a number", RawCheckpoint.File("""{"__metadata__":{"k":1}}"""), "__metadata__ value 'k' is '1'; it must be a string");
        yield return Case("metadata value is null", RawCheckpoint.File("""{"__metadata__":{"k":null}}"""), "'null'; it must be a string");
        yield return Case("metadata value is an object", RawCheckpoint.File("""{"__metadata__":{"k":{}}}"""), "an object; it must be a string");
        yield return Case("unknown field", RawCheckpoint.File("""{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}}"""), "unknown field 'x'");
        yield return Case("no dtype", RawCheckpoint.File("""{"a":{"shape":[0],"data_offsets":[0,0]}}"""), "tensor 'a' has no dtype");
        yield return Case("no shape", RawCheckpoint.File("""{"a":{"dtype":"U8","data_offsets":[0,0]}}"""), "tensor 'a' has no shape");
        yield return Case("no data_offsets", RawCheckpoint.File("""{"a":{"dtype":"U8","shape":[0]}}"""), "tensor 'a' has no data_offsets");
        yield return Case("dtype is a number", Tensor(type: "4"), "dtype of tensor 'a' is '4'");
        yield return Case("unknown dtype", Tensor(type: "\"F99\""), "tensor 'a' has the unknown dtype 'F99'");
        yield return Case("dtype in lower case", Tensor(type: "\"f32\""), "unknown dtype 'f32'");
        yield return Case("dtype of four bits", Tensor(type: "\"F4\""), "unknown dtype 'F4'");
        yield return Case("dtype of six bits", Tensor(type: "\"F6_E2M3\""), "unknown dtype 'F6_E2M3'");
        yield return Case("negative dimension", Tensor(shape: "[-2]"), "shape of tensor 'a' has '-2'");
        yield return Case("minus zero", Tensor(shape: "[-0]"), "'-0', which is no integer");
        yield return Case("fraction", Tensor(shape: "[2.0]"), "'2.0', which is no integer");
        yield return Case("exponent", Tensor(shape: "[2e0]"), "'2e0', which is no integer");
        yield return Case("dimension as text", Tensor(shape: "[\"2\"]"), "the string '2', which is no integer");
        yield return Case("dimension past 64 bits", Tensor(shape: "[9223372036854775808]"), "'9223372036854775808', which is no integer");
        yield return Case("NaN", Tensor(shape: "[NaN]"), "not valid JSON");
        yield return Case("element count past 64 bits", Tensor(shape: "[4294967296,4294967296]"), "[4294967296, 4294967296], whose size passes 64 bits");
        yield return Case("element count past 64 bits before a zero", Tensor(shape: "[4294967296,4294967296,0]"), "whose size passes 64 bits");
        yield return Case("bytes past 64 bits", Tensor(shape: "[4611686018427387904]"), "whose size passes 64 bits");
        yield return Case("too many dimensions", Tensor(shape: "[" + string.Join(',', Enumerable.Repeat(1, 65)) + "]"), "more than 64 numbers");
        yield return Case("shape is no array", Tensor(shape: "2"), "shape of tensor 'a' is '2'");
        yield return Case("one offset", Tensor(offsets: "[0]"), "has 1 numbers; it must have 2");
        yield return Case("three offsets", Tensor(offsets: "[0,8,8]"), "more than 2 numbers");
        yield return Case("negative offset", Tensor(offsets: "[-8,0]"), "data_offsets of tensor 'a' has '-8'");
        yield return Case("end before begin", Tensor(offsets: "[8,0]"), "ends at byte 0, before it begins at 8");
        yield return Case("offset past 64 bits", Tensor(offsets: "[0,18446744073709551616]"), "'18446744073709551616', which is no integer");
        yield return Case("end of data past the file", Tensor(offsets: "[9223372036854775799,9223372036854775807]"), "ends at byte 9223372036854775807 of the data, of which the file has 8");
        yield return Case("data cut short", RawCheckpoint.File(Valid, 7), "ends at byte 8 of the data, of which the file has 7; it was cut short");
        yield return Case("fewer bytes than the shape", Tensor(shape: "[3]"), "has 8 bytes, but shape [3] of F32 needs 12");
        yield return Case("more bytes than the shape", Tensor(shape: "[1]"), "has 8 bytes, but shape [1] of F32 needs 4");
        yield return Case("bytes behind the last tensor", RawCheckpoint.File(Valid, 9), "end at byte 8 of the data, but the file goes on to 9");
        yield return Case("bytes and no tensor", RawCheckpoint.File("{}", 1), "end at byte 0 of the data, but the file goes on to 1");
        yield return Case("hole at the start", Tensor(offsets: "[1,9]", data: 9), "begins at byte 1 of the data and leaves a hole behind");
        yield return Case("hole between tensors", Pair("[0,1]", "[2,3]", 3), "tensor 'b' begins at byte 2 of the data and leaves a hole");
        yield return Case("overlap", Pair("[0,1]", "[0,1]", 1), "overlaps");
        yield return Case("overlap in part", RawCheckpoint.File(
            """{"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 3), "tensor 'b' begins at byte 1 of the data and overlaps");
        yield return Case("nothing inside another tensor", RawCheckpoint.File(
            """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}}""", 2), "overlaps");
        yield return Case("name with a line break", RawCheckpoint.File("""{"a\nb":1}"""), @"'a\u000Ab'");
    }

    [TestCaseSource(nameof(DamagedFiles))]
    public void A_damaged_file_is_refused_by_name(byte[] bytes, string problem)
    {
        using var folder = new TempFolder();
        string path = folder.Write("damaged.safetensors", bytes);
        CheckpointException error = Assert.Throws<CheckpointException>(() => TensorFiles.Open(path))!;
        Assert.That(error.Message, Does.StartWith(path + ": "));
        Assert.That(error.Message, Does.Contain(problem));
        Assert.That(error.Message, Does.Not.Contain("\n"));
    }

    [Test]
    public void The_undamaged_file_is_accepted()
    {
        using var folder = new TempFolder();
        using ITensorFile file = TensorFiles.Open(folder.Write("a.safetensors", RawCheckpoint.File(Valid, 8)));
        Assert.That(file.Tensors.Keys, Is.EqualTo(new[] { "a" }));
    }

    [TestCase(150_000_000UL, "limit is 100000000")]
    [TestCase(100_000_000UL, "only 65536 follow")]
    public void A_claimed_header_costs_no_memory(ulong claimed, string problem)
    {
        using var folder = new TempFolder();
        string path = folder.Write("claim.safetensors", RawCheckpoint.File("{", 65535, claimed));
        Assert.Throws<CheckpointException>(() => TensorFiles.Open(path));
        long before = GC.GetAllocatedBytesForCurrentThread();
        CheckpointException? error = null;
        try
        {
            TensorFiles.Open(path);
        }
        catch (CheckpointException refused)
        {
            error = refused;
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(100_000));
        Assert.That(error?.Message, Does.Contain(problem));
    }

    [Test]
    public void More_than_100_MB_of_header_is_refused_though_the_file_has_it()
    {
        using var folder = new TempFolder();
        string path = folder.Write("long.safetensors", RawCheckpoint.File("{}", 0, 100_000_001));
        using (FileStream file = File.OpenWrite(path))
        {
            file.SetLength(100_000_009);
        }

        Assert.That(() => TensorFiles.Open(path), Throws.TypeOf<CheckpointException>().With.Message.Contains("the limit is 100000000"));
    }

    [Test]
    public void More_tensors_than_any_model_has_are_refused()
    {
        const int Limit = 1 << 20;
        var header = new StringBuilder("{");
        for (int i = 0; i <= Limit; i++)
        {
            header.Append(i == 0 ? "" : ",").Append('"').Append(i).Append("\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
        }

        using var folder = new TempFolder();
        string path = folder.Write("many.safetensors", RawCheckpoint.File(header.Append('}').ToString()));
        Assert.That(() => TensorFiles.Open(path), Throws.TypeOf<CheckpointException>().With.Message.Contains($"more than {Limit} tensors"));
    }

    [Test]
    public void What_is_no_readable_file_is_refused_by_name()
    {
        using var folder = new TempFolder();
        Assert.That(() => TensorFiles.Open(folder["none"]), Throws.TypeOf<CheckpointException>().With.Message.Contains("none: no such file"));
        Assert.That(() => TensorFiles.Open(folder["no/where"]), Throws.TypeOf<CheckpointException>().With.Message.Contains("no such file"));
        Assert.That(() => TensorFiles.Open(folder.Path), Throws.TypeOf<CheckpointException>().With.Message.Contains("is a directory"));
        Assert.That(() => TensorFiles.Open("a\0b"), Throws.TypeOf<CheckpointException>());
        File.CreateSymbolicLink(folder["loose"], folder["none"]);
        Assert.That(() => TensorFiles.Open(folder["loose"]), Throws.TypeOf<CheckpointException>().With.Message.Contains("no such file"));
    }

    [Test]
    [Platform("Linux")]
    public void A_device_is_refused_and_not_waited_for() =>
        Assert.That(() => TensorFiles.Open("/dev/zero"), Throws.TypeOf<CheckpointException>().With.Message.Contains("no regular file"));

    private static TestCaseData Case(string name, byte[] bytes, string problem) =>
        new TestCaseData(bytes, problem).SetName("Refused: " + name);

    private static byte[] Tensor(string type = "\"F32\"", string shape = "[2]", string offsets = "[0,8]", int data = 8) =>
        RawCheckpoint.File(Encoding.UTF8.GetBytes($$$"""{"a":{"dtype":{{{type}}},"shape":{{{shape}}},"data_offsets":{{{offsets}}}}}"""), new byte[data]);

    private static byte[] Pair(string first, string second, int data) => RawCheckpoint.File(
        $$$"""{"a":{"dtype":"U8","shape":[1],"data_offsets":{{{first}}}},"b":{"dtype":"U8","shape":[1],"data_offsets":{{{second}}}}}""", data);
}
