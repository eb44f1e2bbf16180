using NativeFfn.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>What is wrong about a checkpoint is said in one line that names the file, the thing and the value.</summary>
[TestFixture]
public sealed class CheckpointRejectionTests
{
    private static readonly (string Name, long[] Shape)[] Tensors =
    [
        ("model.layers.0.mlp.gate_proj.weight", [3, 2]), ("model.layers.0.mlp.up_proj.weight", [3, 2]), ("model.layers.0.mlp.down_proj.weight", [2, 3]),
        ("model.layers.0.post_attention_layernorm.weight", [2]),
    ];

    [TestCase("\"hidden_size\":nan", "is not valid JSON: line 1, byte 38: '{\"model_type\":\"llama\",\"hidden_size\":nan")]
    [TestCase("\"hidden_size\":NaN", "'hidden_size' is '\"NaN\"'; it must be an integer from 1 to")]
    [TestCase("\"hidden_size\":NaNs", "is not valid JSON")]
    [TestCase("NaN:1", "is not valid JSON")]
    [TestCase("\"rms_norm_eps\":-Infinity", "'rms_norm_eps' is '\"-Infinity\"'; it must be a number from 0")]
    [TestCase("\"hidden_size\":\"NaN\"", "'hidden_size' is '\"NaN\"'; it must be an integer from 1 to")]
    [TestCase("\"hidden_size\":\"2\"", "'hidden_size' is '\"2\"'")]
    [TestCase("\"hidden_size\":-2", "'hidden_size' is '-2'")]
    [TestCase("\"hidden_size\":0", "'hidden_size' is '0'")]
    [TestCase("\"hidden_size\":2.0", "'hidden_size' is '2.0'")]
    [TestCase("\"hidden_size\":2e0", "'hidden_size' is '2e0'")]
    [TestCase("\"hidden_size\":2147483648", "'hidden_size' is '2147483648'")]
    [TestCase("\"hidden_size\":99999999999999999999999999", "'hidden_size' is '99999999999999999999999999'")]
    [TestCase("\"hidden_size\":[2]", "'hidden_size' is an array")]
    [TestCase("\"hidden_size\":true", "'hidden_size' is 'true'")]
    [TestCase("\"hidden_size\":null", "has no 'hidden_size'")]
    [TestCase("\"hidden_size\":16777216,\"intermediate_size\":16777216", "16777216 x 16777216")]
    [TestCase("\"hidden_act\":\"mash\"", "'hidden_act' is the unknown activation 'mash'; supported are linear, relu, relu2, relu_squared")]
    [TestCase("\"hidden_act\":1", "'hidden_act' is '1'; it must be a string")]
    [TestCase("\"hidden_act\":\"\\ud800\"", "'hidden_act' is a string that is no valid text")]
    [TestCase("\"\\ud800\":1", "no valid text")]
    [TestCase("\"mlp_bias\":\"yes\"", "'mlp_bias' is '\"yes\"'; it must be true or false")]
    [TestCase("\"rms_norm_eps\":-1e-5", "'rms_norm_eps' is '-1e-5'; it must be a number from 0")]
    [TestCase("\"rms_norm_eps\":1e999", "'rms_norm_eps' is '1e999'")]
    [TestCase("\"num_hidden_layers\":0", "'num_hidden_layers' is '0'")]
    public void A_wrong_value_in_the_configuration_is_named(string entry, string problem)
    {
        string rest = string.Concat(new[] { "\"hidden_size\":2", "\"intermediate_size\":3", "\"num_hidden_layers\":1" }
            .Where(other => !entry.Contains(other[..other.IndexOf(':', StringComparison.Ordinal)], StringComparison.Ordinal))
            .Select(static other => "," + other));
        using var model = new TempModel($$"""{"model_type":"llama",{{entry}}{{rest}}}""", Tensors);
        AssertRefused(() => model.Open(), "config.json: ", problem);
    }

    [TestCase("""{"hidden_size":2}""", "has no 'model_type'")]
    [TestCase("""{"model_type":"gptk"}""", "'model_type' is the unknown type 'gptk'; `nativeffn families` lists what is supported")]
    [TestCase("""{"model_type":"mamba2"}""", "'mamba2', whose layers have no feed-forward network; `nativeffn families` lists")]
    [TestCase("""{"model_type":"deepseek_v4"}""", "'deepseek_v4', whose residual is several streams")]
    [TestCase("""{"model_type":"newmoe"}""", "'newmoe', a mixture of experts whose routing this version does not know")]
    [TestCase("""{"model_type":"llava","text_config":{"model_type":"mamba"}}""", "'text_config.model_type' is 'mamba', whose layers have no feed-forward")]
    [TestCase("""{"model_type":"llava","text_config":{"hidden_size":0}}""", "'text_config.hidden_size' is '0'")]
    [TestCase("""{"model_type":"llava","text_config":[]}""", "'text_config' is an array; it must be an object")]
    [TestCase("""{"model_type":"swin","embed_dim":2,"depths":[1,1,1,1,1,1,1]}""", "'depths' is a list of 7 stages")]
    [TestCase("""{"model_type":"openelm","model_dim":2,"num_transformer_layers":1,"ffn_multipliers":[1e30]}""", "means a d_ff of")]
    [TestCase("""{"model_type":"t5","d_model":2,"d_ff":3,"num_layers":1,"feed_forward_proj":"gated-mash"}""", "'feed_forward_proj' is the unknown activation 'mash'")]
    [TestCase("""{"model_type":"gemma","hidden_size":2,"intermediate_size":3,"num_hidden_layers":1,"hidden_activation":"mash"}""", "'hidden_activation' is the unknown activation 'mash'")]
    [TestCase("""{"model_type":"llama","quantization_config":{"quant_method":"awq","\ud800":1,"bits":4}}""", "has a key that is no valid text")]
    [TestCase("""{"model_type":"dbrx","x":[{"a":{"\udc00":1}}]}""", "has a key that is no valid text")]
    [TestCase("[]", "holds a JSON Array")]
    [TestCase("", "is empty")]
    [TestCase("{", "is not valid JSON")]
    public void A_configuration_that_means_nothing_here_is_named(string config, string problem)
    {
        using var model = new TempModel(config, Tensors);
        AssertRefused(() => model.Open(), "config.json: ", problem);
    }

    [Test]
    public void A_huge_configuration_is_refused_before_it_is_read()
    {
        using var model = new TempModel("{", Tensors);
        using (FileStream file = File.OpenWrite(model.Folder["config.json"]))
        {
            file.SetLength((16 * 1024 * 1024) + 1);
        }

        AssertRefused(() => model.Open(), "config.json: ", "has 16777217 bytes; a model's configuration may have 16777216");
    }

    [TestCase(-1)]
    [TestCase(2)]
    [TestCase(int.MaxValue)]
    public void A_layer_that_is_not_there_is_named_with_how_many_there_are(int layer)
    {
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(GoldenCases.Find("llama").Directory);
        AssertRefused(() => checkpoint.GetLayer(layer), "", $"has no layer {layer}; this 'llama' model has 2, counted from 0 to 1");
    }

    [TestCase(0, "has no tensor 'model.layers.0.mlp.gate_proj.weight'")]
    [TestCase(1, "has no tensor 'model.layers.0.mlp.up_proj.weight'")]
    [TestCase(2, "has no tensor 'model.layers.0.mlp.down_proj.weight'")]
    public void A_missing_tensor_is_named(int missing, string problem)
    {
        using var model = Llama([.. Tensors.Where((_, i) => i != missing)]);
        AssertRefused(() => model.Layer(0), "model.safetensors: ", problem);
    }

    [Test]
    public void A_layer_without_any_tensor_is_named()
    {
        using var model = Llama([("other", [1])]);
        AssertRefused(() => model.Layer(0), "model.safetensors: ", "has no tensor 'model.layers.0.mlp.gate_proj.weight', under this or another of the family's prefixes, which layer 0 needs");
    }

    [TestCase(0, new long[] { 2, 3 }, "'model.layers.0.mlp.gate_proj.weight' has shape [2, 3]; the configuration asks for [3, 2]")]
    [TestCase(2, new long[] { 2, 4 }, "'model.layers.0.mlp.down_proj.weight' has shape [2, 4]; the configuration asks for [2, 3]")]
    [TestCase(1, new long[] { 6 }, "has shape [6]; the configuration asks for [3, 2]")]
    [TestCase(1, new long[] { 3, 2, 1 }, "has shape [3, 2, 1]")]
    [TestCase(3, new long[] { 3 }, "'model.layers.0.post_attention_layernorm.weight' has shape [3]; the configuration asks for [2]")]
    [TestCase(3, new long[] { 1, 2 }, "has shape [1, 2]")]
    public void A_wrong_shape_is_named_with_the_right_one(int which, long[] shape, string problem)
    {
        using var model = Llama([.. Tensors.Select((tensor, i) => i == which ? (tensor.Name, shape) : tensor)]);
        AssertRefused(() => model.Layer(0), "model.safetensors: ", problem);
    }

    [Test]
    public void A_halved_fused_matrix_is_refused()
    {
        using var model = new TempModel(
            """{"model_type":"phi3","hidden_size":2,"intermediate_size":3,"num_hidden_layers":1}""",
            [("model.layers.0.mlp.gate_up_proj.weight", [3, 2]), ("model.layers.0.mlp.down_proj.weight", [2, 3])]);
        AssertRefused(() => model.Layer(0), "model.safetensors: ", "has shape [3, 2]; the configuration asks for [6, 2]");
    }

    [TestCase("I8", 1)]
    [TestCase("F8_E4M3", 1)]
    public void A_type_that_is_not_read_is_named(string type, int size)
    {
        using var model = Llama(RawCheckpoint.File(
            [.. Tensors.Select(tensor => (tensor.Name, type, tensor.Shape, new byte[size * tensor.Shape.Aggregate(1L, static (a, b) => a * b)]))]));
        AssertRefused(() => model.Layer(0), "model.safetensors: ", $"'model.layers.0.mlp.gate_proj.weight' has type {type}; weights of F32, BF16, F16 and F64");
    }

    [Test]
    public void What_is_no_checkpoint_is_named()
    {
        using var folder = new TempFolder();
        AssertRefused(() => FfnCheckpoint.Open(folder["none"]), folder["none"], "no such file or directory");
        AssertRefused(() => FfnCheckpoint.Open(folder.Path), folder.Path, "has neither model.safetensors nor model.safetensors.index.json");
        folder.Write("a.safetensors", RawCheckpoint.File("{}"));
        AssertRefused(() => FfnCheckpoint.Open(folder.Path), folder.Path, "has no config.json in it");
        AssertRefused(() => FfnCheckpoint.Open(folder["a.safetensors"]), folder["a.safetensors"], "has no config.json beside it");
        folder.Write("config.json", "{}");
        AssertRefused(() => FfnCheckpoint.Open(folder["config.json"]), folder["config.json"], "is neither a .safetensors or .gguf nor a .index.json file");
        folder.Write("b.safetensors", RawCheckpoint.File("{}"));
        AssertRefused(() => FfnCheckpoint.Open(folder.Path), folder.Path, "has 2 .safetensors or .gguf files");
    }

    [Test]
    public void A_damaged_weights_file_is_named()
    {
        using var model = Llama(RawCheckpoint.File("{", 0));
        AssertRefused(() => model.Open(), "model.safetensors: ", "not valid JSON");
    }

    [Test]
    public void Rows_beyond_a_tensor_and_unknown_tensors_are_refused()
    {
        using var model = Llama(Tensors);
        FfnCheckpointLayer layer = model.Layer(0);
        FfnTensor gate = layer.Spec.Tensors[0];
        Assert.That(() => layer.Weights.ReadRows(gate, 3, new float[2]), Throws.ArgumentException);
        Assert.That(() => layer.Weights.ReadRows(gate, int.MaxValue, new float[4]), Throws.ArgumentException);
        Assert.That(() => layer.Weights.ReadRows(gate, -1, new float[2]), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => layer.Weights.ReadRows(gate, 0, new float[3]), Throws.ArgumentException);
        Assert.That(() => layer.Weights.ReadRows(gate with { Expert = 7 }, 0, new float[2]), Throws.ArgumentException);
        model.Open().Dispose();
        Assert.That(() => layer.Weights.ReadRows(gate, 0, new float[2]), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => model.Layer(0), Throws.TypeOf<ObjectDisposedException>());
    }

    private static TempModel Llama((string Name, long[] Shape)[] tensors) => Llama(RawCheckpoint.Counting(tensors));

    private static TempModel Llama(byte[] weights) =>
        new("""{"model_type":"llama","hidden_size":2,"intermediate_size":3,"num_hidden_layers":1}""", weights);

    private static void AssertRefused(Action action, string file, string problem)
    {
        CheckpointException error = Assert.Throws<CheckpointException>(action)!;
        Assert.That(error.Message, Does.Contain(file));
        Assert.That(error.Message, Does.Contain(problem));
        Assert.That(error.Message, Does.Not.Contain("\n"));
    }
}
