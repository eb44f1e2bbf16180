using System.Text.Json;
using NativeFfn.Checkpoints;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

public sealed class InitTests
{
    [TestCase("swiglu", "silu")]
    [TestCase("geglu", "gelu")]
    [TestCase("geglu-tanh", "gelu_pytorch_tanh")]
    [TestCase("reglu", "relu")]
    [TestCase("glu", "sigmoid")]
    [TestCase("bilinear", "linear")]
    public void A_checkpoint_of_every_gated_kind_is_read_back_as_that_kind(string kind, string activation)
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint(kind, "24x40", "bf16");
        using JsonDocument config = JsonDocument.Parse(File.ReadAllText(Path.Combine(model, "config.json")));
        Assert.That(config.RootElement.GetProperty("hidden_act").GetString(), Is.EqualTo(activation));
        Assert.That(config.RootElement.GetProperty("torch_dtype").GetString(), Is.EqualTo("bfloat16"));

        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(model);
        FfnCheckpointLayer layer = checkpoint.GetLayer(1);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(checkpoint.LayerCount, Is.EqualTo(2));
            Assert.That(layer.WeightType, Is.EqualTo("BF16"));
            Assert.That(layer.Spec.Kind.Name, Is.EqualTo(kind));
            Assert.That((layer.Spec.DModel, layer.Spec.DFf), Is.EqualTo((24, 40)));
            Assert.That(layer.Spec.PreNorm, Is.EqualTo(new NormSpec(NormKind.Rms, 1e-5f)));
            Assert.That(layer.Spec.WhyNoBlock, Is.Null);
        }
    }

    [TestCase("gelu-tanh", "gelu_pytorch_tanh")]
    [TestCase("gelu", "gelu")]
    [TestCase("relu2", "relu2")]
    [TestCase("silu", "silu")]
    public void A_checkpoint_of_a_kind_without_a_gate_is_read_back_as_that_kind(string kind, string activation)
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint(kind, "24x40", "bf16");
        using JsonDocument config = JsonDocument.Parse(File.ReadAllText(Path.Combine(model, "config.json")));
        Assert.That(config.RootElement.GetProperty("hidden_act").GetString(), Is.EqualTo(activation));
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(model);
        FfnSpec spec = checkpoint.GetLayer(1).Spec;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(spec.Kind.Name, Is.EqualTo(kind));
            Assert.That((spec.DModel, spec.DFf, spec.Stages[0].HasBias), Is.EqualTo((24, 40, false)));
            Assert.That(spec.BlockFormula, Is.EqualTo("x + F(rmsnorm[1e-5](x))"));
        }
    }

    [TestCase("gelu-tanh", "f32", "F32")]
    [TestCase("swiglu", "bf16", "BF16")]
    [TestCase("swiglu", "int8", "int8")]
    public void A_stack_is_read_back_with_all_its_stages_and_weights(string kind, string type, string stored)
    {
        using var folder = new CommandFolder();
        CommandRun run = CommandRun.Done(
            "init", "--kind", kind, "--stack", "32x64x32x96x10", "--layers", "2", "--dtype", type, "--seed", "5", "--output", folder["model"]);
        Assert.That(run.Out, Does.Contain($"2 x stack 32 -> 64 {kind} -> 32 {kind} -> 96 {kind} -> 10 identity"));
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder["model"]);
        FfnCheckpointLayer layer = checkpoint.GetLayer(1);
        Assert.That((checkpoint.LayerCount, layer.WeightType), Is.EqualTo((2, stored)));
        Assert.That(layer.Spec.Stages.Select(static stage => stage.Width), Is.EqualTo(new[] { 64, 32, 96, 10 }));
        Assert.That(layer.Spec.Stages.Select(static stage => stage.HasBias), Is.All.True);
        Assert.That(
            layer.Spec.Stages.Select(static stage => stage.Kind.Name), Is.EqualTo(new[] { kind, kind, kind, "identity" }));
        var made = new XavierWeights(layer.Spec, seed: 6);
        foreach (FfnTensor tensor in layer.Spec.Tensors)
        {
            float[] expected = new float[tensor.ElementCount];
            float[] read = new float[tensor.ElementCount];
            made.ReadRows(tensor, 0, expected);
            layer.Weights.ReadRows(tensor, 0, read);
            Assert.That(read, Is.EqualTo(expected).Within(0.01 * expected.Max(MathF.Abs)), tensor.Name);
        }
    }

    [TestCase("Option '--shape' is required, or '--stack'")]
    [TestCase("either --shape or --stack", "--shape", "8x8", "--stack", "8x8x8")]
    [TestCase("--experts is for --shape", "--stack", "8x8x8", "--experts", "2")]
    [TestCase("--stack is '8x8'", "--stack", "8x8")]
    [TestCase("--stack is '8x0x8'", "--stack", "8x0x8")]
    [TestCase("--stack is '8x-1x8'", "--stack", "8x-1x8")]
    [TestCase("--stack is '8x99999999999x8'", "--stack", "8x99999999999x8")]
    [TestCase("clamped-swiglu cannot be expressed", "--kind", "clamped-swiglu", "--stack", "8x8x8")]
    [TestCase("gelu has no gate", "--kind", "gelu", "--shape", "8x8", "--experts", "2")]
    [TestCase("--dtype int4 and --stack 8x8x8", "--dtype", "int4", "--stack", "8x8x8")]
    public void Widths_and_kinds_that_make_no_checkpoint_are_refused(string problem, params string[] words)
    {
        using var folder = new CommandFolder();
        CommandRun.Of(["init", "--output", folder["model"], .. words]).ShouldRefuse(problem);
        Assert.That(folder.Entries, Is.Empty);
    }

    [Test]
    public void Experts_make_a_mixtral_checkpoint()
    {
        using var folder = new CommandFolder();
        CommandRun run = CommandRun.Done(
            "init", "--shape", "24x40", "--experts", "5", "--top-k", "3", "--layers", "2", "--dtype", "bf16", "--output", folder["model"]);
        Assert.That(run.Out, Does.Contain("2 x swiglu 24x40 (5 experts, top 3), bfloat16"));
        using JsonDocument config = JsonDocument.Parse(File.ReadAllText(folder["model/config.json"]));
        Assert.That(config.RootElement.GetProperty("model_type").GetString(), Is.EqualTo("mixtral"));
        Assert.That(config.RootElement.GetProperty("num_local_experts").GetInt32(), Is.EqualTo(5));
        Assert.That(config.RootElement.GetProperty("num_experts_per_tok").GetInt32(), Is.EqualTo(3));

        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder["model"]);
        FfnCheckpointLayer layer = checkpoint.GetLayer(1);
        Assert.That(layer.Spec.Mixture, Is.EqualTo(new MixtureSpec(5, 3)));
        float[] gate = new float[40 * 24];
        float[] up = new float[40 * 24];
        layer.Weights.ReadRows(layer.Spec.Tensors.Single(static tensor => tensor.Name == "experts.4.gate.weight"), 0, gate);
        layer.Weights.ReadRows(layer.Spec.Tensors.Single(static tensor => tensor.Name == "experts.4.up.weight"), 0, up);
        Dictionary<string, (long[] Shape, float[] Values)> stored = folder.Read("model/model.safetensors");
        Assert.That(gate, Is.EqualTo(stored["model.layers.1.block_sparse_moe.experts.4.w1.weight"].Values));
        Assert.That(up, Is.EqualTo(stored["model.layers.1.block_sparse_moe.experts.4.w3.weight"].Values));
        Assert.That(gate, Is.Not.EqualTo(stored["model.layers.1.block_sparse_moe.experts.3.w1.weight"].Values), "experts differ");
    }

    [Test]
    public void A_dense_checkpoint_says_nothing_of_experts()
    {
        using var folder = new CommandFolder();
        Assert.That(File.ReadAllText(Path.Combine(folder.Checkpoint(), "config.json")), Does.Not.Contain("expert"));
    }

    [TestCase(new[] { "--experts", "4", "--top-k", "5" }, "--top-k 5 is more than the 4 experts")]
    [TestCase(new[] { "--top-k", "2" }, "--top-k 2 is for mixtures; give --experts too")]
    [TestCase(new[] { "--experts", "0" }, "--experts is '0'")]
    [TestCase(new[] { "--experts", "4097" }, "--experts is '4097'")]
    public void Experts_that_make_no_sense_are_refused(string[] words, string problem)
    {
        using var folder = new CommandFolder();
        CommandRun.Of(["init", "--shape", "8x8", "--output", folder["model"], .. words]).ShouldRefuse(problem);
        CommandRun.Of(["bench", "--shape", "8x8", .. words]).ShouldRefuse(problem);
        Assert.That(folder.Entries, Is.Empty);
    }

    [Test]
    public void Weights_are_Xavier_by_seed_and_layer()
    {
        using var folder = new CommandFolder();
        CommandRun.Done("init", "--shape", "24x40", "--layers", "2", "--seed", "7", "--output", folder["a"]);
        CommandRun.Done("init", "--shape", "24x40", "--layers", "1", "--seed", "7", "--output", folder["b"]);
        CommandRun.Done("init", "--shape", "24x40", "--layers", "1", "--seed", "8", "--output", folder["c"]);
        Dictionary<string, (long[] Shape, float[] Values)> a = folder.Read("a/model.safetensors");
        float[] first = a["model.layers.0.mlp.gate_proj.weight"].Values;

        // ±√(6 / (fan_in + fan_out))
        float bound = MathF.Sqrt(6f / 64);
        Assert.That(first.Max(MathF.Abs), Is.InRange(0.9f * bound, bound));
        Assert.That(first.Distinct().Count(), Is.GreaterThan(900));
        Assert.That(a["model.layers.0.mlp.gate_proj.weight"].Shape, Is.EqualTo(new long[] { 40, 24 }));
        Assert.That(a["model.layers.0.mlp.down_proj.weight"].Shape, Is.EqualTo(new long[] { 24, 40 }));
        Assert.That(a["model.layers.1.post_attention_layernorm.weight"].Values, Is.All.EqualTo(1f));
        Assert.That(a["model.layers.1.mlp.gate_proj.weight"].Values, Is.Not.EqualTo(first));
        Assert.That(a["model.layers.0.mlp.up_proj.weight"].Values, Is.Not.EqualTo(first));
        Assert.That(folder.Read("b/model.safetensors")["model.layers.0.mlp.gate_proj.weight"].Values, Is.EqualTo(first));
        Assert.That(folder.Read("c/model.safetensors")["model.layers.0.mlp.gate_proj.weight"].Values, Is.Not.EqualTo(first));
    }

    [Test]
    public void Rows_are_added_only_where_asked_for()
    {
        using var folder = new CommandFolder();
        CommandRun.Done("init", "--shape", "8x8", "--output", folder["without"]);
        CommandRun.Done("init", "--shape", "8x8", "--sample-input", "5", "--output", folder["with"]);
        Assert.That(File.Exists(folder["without/input.safetensors"]), Is.False);
        Assert.That(folder.Read("with/input.safetensors")["input"].Shape, Is.EqualTo(new long[] { 5, 8 }));
    }

    [Test]
    public void Folders_on_the_way_are_made_and_an_empty_one_is_filled()
    {
        using var folder = new CommandFolder();
        CommandRun.Done("init", "--shape", "8x8", "--output", folder["a/b/c"]);
        Directory.CreateDirectory(folder["empty"]);
        CommandRun.Done("init", "--shape", "8x8", "--output", folder["empty"] + "/");
        Assert.That(File.Exists(folder["a/b/c/config.json"]) && File.Exists(folder["empty/config.json"]), Is.True);
    }

    [Test]
    public void What_is_there_stays_there()
    {
        using var folder = new CommandFolder();
        Directory.CreateDirectory(folder["full"]);
        File.WriteAllText(folder["full/notes"], "mine");
        CommandRun.Of("init", "--shape", "8x8", "--output", folder["full"]).ShouldRefuse("not empty", folder["full"]);
        CommandRun.Of("init", "--shape", "8x8", "--output", folder["full/notes"]).ShouldRefuse("is a file");
        Assert.That(Directory.GetFileSystemEntries(folder["full"]), Has.Length.EqualTo(1));
    }

    [Test]
    public void A_refusal_leaves_no_folder()
    {
        using var folder = new CommandFolder();
        CommandRun.Of("init", "--shape", "40000x40000", "--layers", "10000", "--output", folder["a/b"]).ShouldRefuse("free");
        CommandRun.Of("init", "--shape", "60000x60000", "--output", folder["a/b"]).ShouldRefuse("60000");
        Assert.That(folder.Entries, Is.Empty);
    }
}
