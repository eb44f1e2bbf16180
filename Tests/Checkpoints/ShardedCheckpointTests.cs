using NativeFfn.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

[TestFixture]
public sealed class ShardedCheckpointTests
{
    private const string Config = """{"model_type":"llama","hidden_size":2,"intermediate_size":3,"num_hidden_layers":2}""";

    [Test]
    public void Only_the_shards_of_the_named_layer_are_opened()
    {
        using var folder = new TempFolder();
        WriteTwoShards(folder);
        File.Delete(folder["two.safetensors"]);
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder.Path);
        Assert.That(Weights.Read(checkpoint.GetLayer(0), "gate.weight")[0], Is.EqualTo(1f));
        Assert.That(
            () => checkpoint.GetLayer(1), Throws.TypeOf<CheckpointException>().With.Message.Contains("two.safetensors: no such file"));
    }

    [Test]
    public void Only_the_named_layers_tensors_are_looked_at()
    {
        using var folder = new TempFolder();
        folder.Write("config.json", Config);
        folder.Write("model.safetensors", RawCheckpoint.Counting([.. Layer(0), ("model.layers.1.mlp.gate_proj.weight", [1])]));
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder.Path);
        Assert.That(Weights.Read(checkpoint.GetLayer(0), "down.weight")[0], Is.EqualTo(13f));
        Assert.That(() => checkpoint.GetLayer(1), Throws.TypeOf<CheckpointException>());
    }

    [Test]
    public void A_layer_spread_over_shards_is_one_layer()
    {
        GoldenCase golden = GoldenCases.Find("llama-f16-sharded");
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(golden.Directory);
        FfnCheckpointLayer layer = checkpoint.GetLayer(1);
        Assert.That(Weights.Read(layer, "gate.weight"), Is.EqualTo(golden.ReadWeight("model.layers.1.mlp.gate_proj.weight")));
        Assert.That(Weights.Read(layer, "down.weight"), Is.EqualTo(golden.ReadWeight("model.layers.1.mlp.down_proj.weight")));
    }

    [Test]
    public void A_checkpoint_is_opened_by_folder_file_or_index()
    {
        string sharded = GoldenCases.Find("llama-f16-sharded").Directory;
        string single = GoldenCases.Find("llama").Directory;
        foreach (string path in new[] { sharded, Path.Combine(sharded, "model.safetensors.index.json"), single, Path.Combine(single, "model.safetensors") })
        {
            using FfnCheckpoint checkpoint = FfnCheckpoint.Open(path);
            Assert.That(checkpoint.Path, Is.EqualTo(path));
            Assert.That(checkpoint.GetLayer(1).Spec.DFf, Is.EqualTo(128));
        }
    }

    [Test]
    public void The_only_safetensors_file_of_a_folder_may_have_any_name()
    {
        using var folder = new TempFolder();
        folder.Write("config.json", Config);
        folder.Write("weights.safetensors", RawCheckpoint.Counting(Layer(0)));
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder.Path);
        Assert.That(checkpoint.LayerCount, Is.EqualTo(2));
        Assert.That(Weights.Read(checkpoint.GetLayer(0), "gate.weight")[0], Is.EqualTo(1f));
    }

    [Test]
    public void A_tensor_that_its_shard_lacks_is_named_with_it()
    {
        using var folder = new TempFolder();
        WriteTwoShards(folder);
        folder.Write("two.safetensors", RawCheckpoint.Counting(Layer(1)[1..]));
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder.Path);
        Assert.That(
            () => checkpoint.GetLayer(1),
            Throws.TypeOf<CheckpointException>().With.Message.Contains(
                "model.safetensors.index.json: says that tensor 'model.layers.1.mlp.gate_proj.weight' is in 'two.safetensors', which does not have it"));
    }

    [TestCase("../other/model.safetensors")]
    [TestCase("sub/model.safetensors")]
    [TestCase("sub\\\\model.safetensors")]
    [TestCase("/etc/passwd")]
    [TestCase("C:model.safetensors")]
    [TestCase("..")]
    [TestCase(".")]
    [TestCase("a..b")]
    [TestCase("")]
    [TestCase("a\\u0000b")]
    public void An_index_that_leads_out_of_its_folder_is_refused(string shard)
    {
        using var folder = new TempFolder();
        folder.Write("config.json", Config);
        folder.Write("model.safetensors.index.json", $$$"""{"weight_map":{"t":"{{{shard}}}"}}""");
        Assert.That(
            () => FfnCheckpoint.Open(folder.Path),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("places tensor 't' in").And.Message.Contains("plain file name"));
    }

    [TestCase("{}", "has no object 'weight_map'")]
    [TestCase("""{"weight_map":[]}""", "has no object 'weight_map'")]
    [TestCase("""{"weight_map":{"t":1}}""", "'t' is '1'; it must be a string")]
    [TestCase("""{"weight_map":{"t":"a","t":"a"}}""", "is not valid JSON")]
    [TestCase("""{"weight_map":{"\ud800":"a"}}""", "no valid text")]
    [TestCase("[]", "holds a JSON Array")]
    [TestCase("{", "is not valid JSON")]
    public void A_damaged_index_is_refused(string index, string problem)
    {
        using var folder = new TempFolder();
        folder.Write("config.json", Config);
        folder.Write("model.safetensors.index.json", index);
        Assert.That(
            () => FfnCheckpoint.Open(folder.Path),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("index.json: ").And.Message.Contains(problem));
    }

    private static void WriteTwoShards(TempFolder folder)
    {
        folder.Write("config.json", Config);
        folder.Write("one.safetensors", RawCheckpoint.Counting(Layer(0)));
        folder.Write("two.safetensors", RawCheckpoint.Counting(Layer(1)));
        IEnumerable<string> map = Layer(0).Select(static tensor => $"\"{tensor.Name}\":\"one.safetensors\"")
            .Concat(Layer(1).Select(static tensor => $"\"{tensor.Name}\":\"two.safetensors\""));
        folder.Write("model.safetensors.index.json", $$$"""{"metadata":{"total_size":1},"weight_map":{{{{string.Join(',', map)}}}}}""");
    }

    private static (string Name, long[] Shape)[] Layer(int i) =>
    [
        ($"model.layers.{i}.mlp.gate_proj.weight", [3, 2]), ($"model.layers.{i}.mlp.up_proj.weight", [3, 2]),
        ($"model.layers.{i}.mlp.down_proj.weight", [2, 3]), ($"model.layers.{i}.post_attention_layernorm.weight", [2]),
    ];
}
