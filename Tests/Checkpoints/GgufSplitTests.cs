using NativeFfn.Checkpoints;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Models in several GGUF files: any part means all, and what is wrong with a part is said by name.</summary>
[TestFixture]
public sealed class GgufSplitTests
{
    private static readonly (string Name, long[] Shape, float[] Values)[] Layer =
    [
        ("blk.0.ffn_gate.weight", [1, 2], [1, 2]), ("blk.0.ffn_up.weight", [1, 2], [3, 4]), ("blk.0.ffn_down.weight", [2, 1], [5, 6]),
        ("blk.0.ffn_norm.weight", [2], [7, 8]),
    ];

    [Test]
    public void Any_part_and_their_folder_mean_the_whole_model([Values(0, 1, 2)] int tensorsInFirst)
    {
        using var folder = new TempFolder();
        Write(folder, 0, 3, Layer[..tensorsInFirst]);
        Write(folder, 1, 3, Layer[tensorsInFirst..3]);
        Write(folder, 2, 3, Layer[3..]);
        foreach (string path in new[] { folder.Path, folder[Name(0, 3)], folder[Name(1, 3)], folder[Name(2, 3)] })
        {
            using FfnCheckpoint checkpoint = FfnCheckpoint.Open(path);
            FfnCheckpointLayer layer = checkpoint.GetLayer(0);
            Assert.That((checkpoint.Path, checkpoint.ModelType), Is.EqualTo((path, "llama")));
            Assert.That(Weights.Read(layer, "gate.weight"), Is.EqualTo(new[] { 1f, 2f }));
            Assert.That(Weights.Read(layer, "up.weight"), Is.EqualTo(new[] { 3f, 4f }));
            Assert.That(Weights.Read(layer, "down.weight"), Is.EqualTo(new[] { 5f, 6f }));
            Assert.That(Weights.Read(layer, "pre_norm.weight"), Is.EqualTo(new[] { 7f, 8f }));
        }
    }

    [Test]
    public void A_missing_part_is_named()
    {
        using var folder = new TempFolder();
        Write(folder, 1, 2, Layer[1..]);
        Refused(folder, folder[Name(1, 2)], folder[Name(0, 2)], "no such file, but " + folder[Name(1, 2)] + " is one of 2 parts. Get the missing part.");
        Refused(folder, folder.Path, folder[Name(0, 2)], "no such file, but ");
    }

    [Test]
    public void A_part_under_another_name_is_refused_with_the_name_it_should_have()
    {
        using var folder = new TempFolder();
        Write(folder, 0, 2, Layer);
        foreach (string name in new[] { "model.gguf", "m-00002-of-00002.gguf", "m-00001-of-00003.gguf", "m-1-of-2.gguf", "m-0000x-of-00002.gguf" })
        {
            File.Move(folder[Name(0, 2)], folder[name]);
            Refused(folder, folder[name], folder[name], "is part 1 of 2, but its name does not end in '-00001-of-00002.gguf', by which the others are found");
            File.Move(folder[name], folder[Name(0, 2)]);
        }
    }

    [Test]
    public void Parts_that_do_not_belong_together_are_refused()
    {
        using var folder = new TempFolder();
        Write(folder, 0, 2, Layer[..2]);
        foreach ((int number, int count) in new[] { (0, 2), (1, 3), (0, 1) })
        {
            folder.Write(Name(1, 2), Part(number, count, Layer[2..]));
            Refused(folder, folder[Name(0, 2)], folder[Name(1, 2)], "does not say that it is part 2 of 2, as " + folder[Name(0, 2)] + " does");
        }

        folder.Write(Name(1, 2), "no GGUF at all"u8.ToArray());
        Refused(folder, folder[Name(0, 2)], folder[Name(1, 2)], "is no GGUF file");
        folder.Write(Name(1, 2), Part(1, 2, Layer[2..])[..^40]);
        Refused(folder, folder[Name(0, 2)], folder[Name(1, 2)], "ends past the end of the file");
    }

    [Test]
    public void Every_tensor_is_in_one_part_and_none_is_missing()
    {
        using var folder = new TempFolder();
        Write(folder, 0, 2, Layer[..3]);
        Write(folder, 1, 2, Layer[2..]);
        Refused(folder, folder.Path, folder[Name(1, 2)], "has tensor 'blk.0.ffn_down.weight', which is in " + folder[Name(0, 2)] + " as well");
        Write(folder, 0, 2, Layer[..2], total: 5);
        Refused(folder, folder.Path, folder[Name(0, 2)], "'split.tensors.count' is 5, but its 2 parts have 4 tensors");
        Write(folder, 1, 2, Layer[3..]);
        Write(folder, 0, 2, Layer[..2]);
        Refused(folder, folder.Path, folder[Name(0, 2)], "'split.tensors.count' is 4, but its 2 parts have 3 tensors");
    }

    [Test]
    public void A_split_without_its_numbers_is_refused()
    {
        using var folder = new TempFolder();
        string path = folder.Write(Name(0, 2), Model().Key("split.count", 2).File());
        Refused(folder, path, path, "has no 'split.no'");
        path = folder.Write(Name(0, 2), Model().Key("split.count", 2).Key("split.no", 0).File());
        Write(folder, 1, 2, Layer);
        Refused(folder, path, path, "has no 'split.tensors.count'");
    }

    [Test]
    public void A_folder_of_several_models_is_refused()
    {
        using var folder = new TempFolder();
        Write(folder, 0, 2, Layer[..2]);
        Write(folder, 1, 2, Layer[2..]);
        folder.Write("other.gguf", Model().File());
        Refused(folder, folder.Path, folder.Path, "has 3 .safetensors or .gguf files");
        File.Move(folder["other.gguf"], folder["n-00001-of-00002.gguf"]);
        Refused(folder, folder.Path, folder.Path, "has 3 .safetensors or .gguf files");
    }

    [Test]
    public void A_file_that_is_the_only_part_may_have_any_name()
    {
        using var folder = new TempFolder();
        folder.Write("model.gguf", Part(0, 1, Layer));
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder.Path);
        Assert.That(Weights.Read(checkpoint.GetLayer(0), "up.weight"), Is.EqualTo(new[] { 3f, 4f }));
    }

    private static void Refused(TempFolder folder, string path, string file, string problem)
    {
        CheckpointException error = Assert.Throws<CheckpointException>(() => FfnCheckpoint.Open(path).Dispose())!;
        Assert.That(error.Message, Does.StartWith(file + ": ").And.Contain(problem).And.Not.Contain("\n"));
        Assert.That(() => Directory.GetFiles(folder.Path).ToList().ForEach(static name => File.Open(name, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose()), Throws.Nothing);
    }

    private static void Write(TempFolder folder, int number, int count, (string Name, long[] Shape, float[] Values)[] tensors, int total = 4) =>
        folder.Write(Name(number, count), Part(number, count, tensors, total));

    private static string Name(int number, int count) => $"m-{number + 1:D5}-of-{count:D5}.gguf";

    // The first part alone has the model's keys; the numbers have the types that llama.cpp gives them.
    private static byte[] Part(int number, int count, (string Name, long[] Shape, float[] Values)[] tensors, int total = 4)
    {
        RawGguf part = (number == 0 ? Model() : new RawGguf())
            .Key("split.no", 2, BitConverter.GetBytes((ushort)number)).Key("split.count", 2, BitConverter.GetBytes((ushort)count))
            .Key("split.tensors.count", 5, BitConverter.GetBytes(total));
        foreach ((string name, long[] shape, float[] values) in tensors)
        {
            part.Floats(name, shape, values);
        }

        return part.File();
    }

    private static RawGguf Model() => new RawGguf().Key("general.architecture", "llama").Key("llama.block_count", 1)
        .Key("llama.embedding_length", 2).Key("llama.feed_forward_length", 1).Key("llama.attention.layer_norm_rms_epsilon", 1e-5f);
}
