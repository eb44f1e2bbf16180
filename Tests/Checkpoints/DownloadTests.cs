using System.IO.Compression;
using System.Text;
using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Files;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Files as other programs leave them: what is right is read, and what is something else is told as that.</summary>
public sealed class DownloadTests
{
    private const string Config = """{"model_type":"llama","hidden_size":2,"intermediate_size":3,"num_hidden_layers":1}""";

    private static readonly (string Name, long[] Shape)[] Tensors =
    [
        ("model.layers.0.mlp.gate_proj.weight", [3, 2]), ("model.layers.0.mlp.up_proj.weight", [3, 2]), ("model.layers.0.mlp.down_proj.weight", [2, 3]),
        ("model.layers.0.post_attention_layernorm.weight", [2]),
    ];

    private static readonly (string Named, byte[] Bytes)[] Others =
    [
        ("Git LFS pointer", Encoding.ASCII.GetBytes("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")),
        ("web page", Encoding.ASCII.GetBytes("<!DOCTYPE html>\n<html class=\"\"><head>")),
        ("web page", Encoding.UTF8.GetBytes("\uFEFF\r\n  <HTML><body>")),
        ("web page", Encoding.ASCII.GetBytes("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>")),
        ("no such file", Encoding.ASCII.GetBytes("Entry not found")),
        ("password", Encoding.ASCII.GetBytes("Invalid username or password.")),
        ("refusal", Encoding.ASCII.GetBytes("Access to model x/y is restricted and you are not in the authorized list.")),
        ("error", Encoding.ASCII.GetBytes("{\"error\":\"Repository not found\"}")),
        ("gzip", Compressed()),
        ("zip archive", [.. "PK\u0003\u0004"u8, 0, 0, 8, 8, .. new byte[60]]),
    ];

    [TestCase("model.safetensors")]
    [TestCase("model.gguf")]
    [TestCase("config.json")]
    [TestCase("model.safetensors.index.json")]
    public void What_is_no_file_of_a_model_is_told_as_what_it_is(string name)
    {
        foreach ((string named, byte[] bytes) in Others)
        {
            using var folder = new TempFolder();
            folder.Write("config.json", Config);
            if (name == "config.json")
            {
                folder.Write("model.safetensors", RawCheckpoint.Counting(Tensors));
            }

            folder.Write(name, bytes);
            Assert.That(
                () => FfnCheckpoint.Open(folder.Path),
                Throws.TypeOf<CheckpointException>().With.Message.StartsWith(folder[name]).And.Message.Contains(named).And.Message.EndsWith("."), named);
        }
    }

    [Test]
    public void A_header_of_any_length_is_no_text()
    {
        foreach (int length in new[] { '<', 'v', 0x1F, 0x8B1F, 0x4B50 })
        {
            using var folder = new TempFolder();
            string header = """{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}""".PadRight(length);
            if (header.Length == length)
            {
                using ITensorFile file = TensorFiles.Open(folder.Write("a.safetensors", RawCheckpoint.File(header)));
                Assert.That(file.Tensors, Has.Count.EqualTo(1));
            }
        }
    }

    [TestCase("model.safetensors.incomplete")]
    [TestCase("model.safetensors.part")]
    [TestCase("model.safetensors.aria2")]
    [TestCase("model.gguf.crdownload")]
    public void A_download_that_is_not_finished_is_told_as_such(string part)
    {
        using var folder = new TempFolder();
        folder.Write("config.json", Config);
        string path = folder.Write(part, RawCheckpoint.Counting(Tensors));
        Assert.That(() => FfnCheckpoint.Open(folder.Path), Refused(part, "not finished"));
        Assert.That(() => FfnCheckpoint.Open(path), Refused(part, "not finished"));
        Assert.That(() => TensorFiles.Open(Path.ChangeExtension(path, null)), Refused(part, "not finished"));
    }

    [Test]
    public void A_file_of_full_length_whose_download_goes_on_is_refused_and_an_older_part_beside_a_whole_file_is_not()
    {
        using var model = new TempModel(Config, Tensors);
        model.Folder.Write("model.safetensors.part", "old");
        FfnCheckpoint.Open(model.Folder.Path).Dispose();
        model.Folder.Write("model.safetensors.aria2", "map");
        Assert.That(() => FfnCheckpoint.Open(model.Folder.Path), Refused("model.safetensors.aria2", "not finished"));
    }

    [TestCase("pytorch_model.bin")]
    [TestCase("tf_model.h5")]
    public void Rows_to_try_are_no_weights(string weights)
    {
        using var folder = new TempFolder();
        folder.Write("config.json", Config);
        folder.Write("input.safetensors", RawCheckpoint.Counting(("input", [1, 2])));
        Assert.That(() => FfnCheckpoint.Open(folder.Path), Refused(folder.Path, "has neither model.safetensors"));
        folder.Write(weights, "x");
        Assert.That(() => FfnCheckpoint.Open(folder.Path), Refused(weights, "Convert"));
    }

    [TestCase("\"rope_scale\":Infinity,")]
    [TestCase("\"a\":[1, -Infinity ,NaN],\"b\":{\"c\":NaN},")]
    [TestCase("\"a\":\"say \\\"NaN\\\": Infinity, [NaN]\",\"b\":-Infinity,")]
    [TestCase("\"hidden_size\":7,\"torch_dtype\":\"a\",\"torch_dtype\":\"b\",")]
    public void What_Python_writes_and_reads_is_read_where_no_layer_needs_it(string entries)
    {
        using var model = new TempModel(Config.Replace("\"hidden_size\"", entries + "\"hidden_size\"", StringComparison.Ordinal), Tensors);
        Assert.That(model.Layer(0).Spec.DModel, Is.EqualTo(2));
    }

    [Test]
    public void A_byte_order_mark_is_no_part_of_the_text()
    {
        using var model = new TempModel("\uFEFF" + Config, Tensors);
        Assert.That(model.Layer(0).Spec.DModel, Is.EqualTo(2));
    }

    [Test]
    public void Metadata_may_be_null()
    {
        using var folder = new TempFolder();
        using ITensorFile file = TensorFiles.Open(folder.Write("a.safetensors", RawCheckpoint.File(
            """{"__metadata__":null,"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1)));
        Assert.That(file.Tensors, Has.Count.EqualTo(1));
    }

    private static NUnit.Framework.Constraints.ContainsConstraint Refused(params string[] named) => Throws.TypeOf<CheckpointException>()
        .With.Message.Contains(named[0]).And.Message.Contains(named[1]);

    private static byte[] Compressed()
    {
        using var bytes = new MemoryStream();
        using (var gzip = new GZipStream(bytes, CompressionLevel.Fastest))
        {
            gzip.Write(new byte[100]);
        }

        return bytes.ToArray();
    }
}
