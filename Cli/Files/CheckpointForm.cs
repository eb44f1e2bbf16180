using System.Collections.Immutable;
using System.Text.Json.Nodes;
using NativeFfn.Checkpoints.Families;
using NativeFfn.Cli.Options;

namespace NativeFfn.Cli.Files;

/// <summary>What layers a checkpoint has, what their tensors are called, and how its <c>config.json</c> says so.</summary>
/// <param name="Spec">One of its layers, which are alike.</param>
/// <param name="Layers">How many there are.</param>
/// <param name="Shape">The widths, as the option has them.</param>
internal abstract record CheckpointForm(FfnSpec Spec, int Layers, string Shape)
{
    /// <summary>The option that gave the widths.</summary>
    public abstract string Option { get; }

    /// <summary>A tensor's name in the file.</summary>
    public abstract string NameOf(FfnTensor tensor, int layer);

    /// <summary>The text of <c>config.json</c>.</summary>
    /// <param name="type">How weights are stored.</param>
    /// <param name="packing">How matrices are packed; null where they are floats.</param>
    public abstract string Configuration(WeightType type, JsonObject? packing);
}

/// <summary>A transformer's layers in Llama's layout, or Arcee's or Mixtral's.</summary>
internal sealed record LlamaForm : CheckpointForm
{
    private readonly FfnKind _kind;
    private readonly LayerShape _shape;
    private readonly MixtureSpec? _mixture;

    /// <summary>Describes the layers.</summary>
    /// <exception cref="UsageException">The layout cannot express the kind.</exception>
    /// <exception cref="ArgumentException">A matrix would have too many elements, or the mixture contradicts itself.</exception>
    public LlamaForm(FfnKind kind, LayerShape shape, int layers, MixtureSpec? mixture)
        : base(SpecOf(kind, shape, mixture), layers, shape.ToString())
    {
        _kind = kind;
        _shape = shape;
        _mixture = mixture;
        LlamaConfig.RequireKind(kind, mixture);
    }

    /// <inheritdoc/>
    public override string Option => "--shape";

    /// <inheritdoc/>
    public override string NameOf(FfnTensor tensor, int layer)
    {
        string path = $"model.layers.{layer}.";
        return tensor.Role switch
        {
            FfnTensorRole.PreNormWeight => path + "post_attention_layernorm.weight",
            FfnTensorRole.RouterWeight => path + "block_sparse_moe.gate.weight",
            _ when tensor.Expert >= 0 => $"{path}block_sparse_moe.experts.{tensor.Expert}.{NameInMixtral(tensor)}.weight",
            _ => $"{path}mlp.{tensor.Name.Replace(".weight", "_proj.weight", StringComparison.Ordinal)}",
        };
    }

    /// <inheritdoc/>
    public override string Configuration(WeightType type, JsonObject? packing) => CliJson.Write(
        LlamaConfig.Create(_kind, _shape, Layers, type, _mixture) with { QuantizationConfig = packing }, CliJson.Default.LlamaConfig);

    private static FfnSpec SpecOf(FfnKind kind, LayerShape shape, MixtureSpec? mixture)
    {
        FfnSpec network = FfnSpec.Create(kind, shape.DModel, shape.DFf)
            .WithNorms(pre: new NormSpec(NormKind.Rms, (float)LlamaConfig.NormEpsilon));
        return mixture is null ? network : network.WithExperts(mixture);
    }

    private static string NameInMixtral(FfnTensor tensor) => tensor switch
    {
        { Stage: 1 } => "w2",
        { Role: FfnTensorRole.UpWeight } => "w3",
        _ => "w1",
    };
}

/// <summary>Stacks of any depth, in the layout of <see cref="StackLayout"/>.</summary>
internal sealed record StackForm : CheckpointForm
{
    private readonly FfnKind _kind;
    private readonly ImmutableArray<int> _widths;

    /// <summary>Describes the stacks.</summary>
    /// <exception cref="UsageException">Configurations have no word for the kind.</exception>
    /// <exception cref="ArgumentException">A matrix would have too many elements.</exception>
    public StackForm(FfnKind kind, StackShape shape, int stacks)
        : base(StackLayout.Spec(kind, shape.Widths, bias: true), stacks, shape.ToString())
    {
        _kind = kind;
        _widths = shape.Widths;
        LlamaConfig.RequireKind(kind, mixture: null);
    }

    /// <inheritdoc/>
    public override string Option => "--stack";

    /// <inheritdoc/>
    public override string NameOf(FfnTensor tensor, int layer) => StackLayout.NameOf(tensor, layer);

    /// <inheritdoc/>
    public override string Configuration(WeightType type, JsonObject? packing)
    {
        var config = new JsonObject
        {
            ["model_type"] = StackLayout.ModelType,
            ["layer_sizes"] = new JsonArray([.. _widths.Select(static width => (JsonNode)width)]),
            ["hidden_act"] = _kind.Activation.ConfigNames[0],
            ["gated"] = _kind.Gated,
            ["bias"] = true,
            ["num_stacks"] = Layers,
            ["torch_dtype"] = type.TorchName,
        };
        if (packing is not null)
        {
            config["quantization_config"] = packing;
        }

        return CliJson.Write(config, CliJson.Default.JsonObject);
    }
}
