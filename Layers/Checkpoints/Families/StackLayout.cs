using System.Collections.Immutable;
using NativeFfn.Checkpoints.Files;

namespace NativeFfn.Checkpoints.Families;

/// <summary>Multilayer perceptrons of any depth, each a layer of its own: the model type <c>mlp</c>.</summary>
/// <remarks>
/// No library writes such a configuration. It has <c>layer_sizes</c> (widths from the input to the output), <c>hidden_act</c> of all stages
/// but the last, which is linear, and may have <c>gated</c>, <c>bias</c> and <c>num_stacks</c> (1 if left out). Matrices are
/// <c>[out, in]</c> as <c>nn.Linear</c> has them.
/// </remarks>
internal sealed class StackLayout : ICheckpointLayout
{
    /// <summary>The configuration's <c>model_type</c>.</summary>
    public const string ModelType = "mlp";

    private readonly FfnSpec _spec;

    private StackLayout(FfnSpec spec, int count)
    {
        _spec = spec;
        LayerCount = count;
    }

    /// <inheritdoc/>
    public int LayerCount { get; }

    /// <summary>Whether a configuration is of this type.</summary>
    public static bool Is(CheckpointConfig config) => config.Text("model_type") == ModelType;

    /// <summary>The stacks that a configuration means.</summary>
    /// <exception cref="CheckpointException">A value cannot be, or a tower is asked for that there is not.</exception>
    public static StackLayout Read(CheckpointConfig config, CheckpointTower? tower)
    {
        if (tower is not null and not CheckpointTower.Text)
        {
            throw new CheckpointException(
                $"{config.Path}: a model of type '{ModelType}' has no {Names<CheckpointTower>.Of(tower.Value)} tower; leave the tower out.");
        }

        ImmutableArray<int> sizes = config.Counts("layer_sizes");
        if (sizes.Length < 2 || sizes.Length - 1 > FfnSpec.MaxStages)
        {
            throw config.Wrong("layer_sizes", $"a list of {sizes.Length}; it must be of 2 to {FfnSpec.MaxStages + 1} widths, the input's first");
        }

        string name = config.Text("hidden_act");
        Activation activation = Activation.OfConfig(name) ?? throw FfnFamily.UnknownActivation(config, "hidden_act", name);
        var kind = new FfnKind(config.Flag(new(false, "gated")), activation);
        try
        {
            return new StackLayout(Spec(kind, sizes, config.Flag(new(false, "bias"))), config.Size("num_stacks", 1));
        }
        catch (ArgumentException problem)
        {
            throw new CheckpointException($"{config.Path}: {problem.Message.ReplaceLineEndings(" ")}", problem);
        }
    }

    /// <summary>A stack whose stages are of one kind, but for the last, which is linear.</summary>
    /// <param name="hidden">The kind of all stages but the last.</param>
    /// <param name="sizes">Widths, the input's first.</param>
    /// <param name="bias">Whether every projection has a bias.</param>
    /// <exception cref="ArgumentException">A width cannot be.</exception>
    public static FfnSpec Spec(FfnKind hidden, ImmutableArray<int> sizes, bool bias) => FfnSpec.Stack([
        .. Enumerable.Range(0, sizes.Length - 1)
            .Select(i => new FfnStage(i < sizes.Length - 2 ? hidden : FfnKind.Linear, sizes[i], sizes[i + 1], bias)),
    ]);

    /// <summary>A tensor's name in the file.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="stack">The stack, from 0.</param>
    public static string NameOf(FfnTensor tensor, int stack) => PathOf(stack) + tensor.Role switch
    {
        FfnTensorRole.Weight => $"layers.{tensor.Stage}.weight",
        FfnTensorRole.Bias => $"layers.{tensor.Stage}.bias",
        FfnTensorRole.UpWeight => $"layers.{tensor.Stage}.up.weight",
        _ => $"layers.{tensor.Stage}.up.bias",
    };

    /// <inheritdoc/>
    public FfnCheckpointLayer Find(CheckpointTensors tensors, int layer)
    {
        var weights = new CheckpointWeights();
        var types = new SortedSet<string>(StringComparer.Ordinal);
        var used = new HashSet<string>();
        foreach (FfnTensor wanted in _spec.Tensors)
        {
            string name = NameOf(wanted, layer);
            if (!tensors.Contains(name))
            {
                throw new CheckpointException(
                    $"{tensors.Path}: has no tensor {CheckpointText.Quote(name)}, which layer {layer} needs. Is config.json its own?");
            }

            (ITensorFile file, TensorEntry stored) = tensors.Find(name);
            long[] shape = wanted.IsVector ? [wanted.Columns] : [wanted.Rows, wanted.Columns];
            if (!stored.Shape.AsSpan().SequenceEqual(shape))
            {
                throw new CheckpointException(
                    $"{file.Path}: tensor {CheckpointText.Quote(name)} has shape {CheckpointText.Shape(stored.Shape.AsSpan())}; " +
                    $"the configuration asks for {CheckpointText.Shape(shape)}.");
            }

            weights.Add(wanted, StoredRows.Of(file, stored, wanted.Columns, 0));
            used.Add(name);
            if (!wanted.IsVector)
            {
                types.Add(stored.Type);
            }
        }

        // A bias or a further stage: left out, it would make every number a little wrong.
        if (tensors.Under(PathOf(layer)).FirstOrDefault(name => !used.Contains(name)) is { } unexpected)
        {
            throw new CheckpointException(
                $"{tensors.Path}: has tensor {CheckpointText.Quote(unexpected)}, but its configuration means stacks without it. " +
                "Correct config.json.");
        }

        return new FfnCheckpointLayer(layer, _spec, weights, string.Join('+', types));
    }

    private static string PathOf(int stack) => $"stacks.{stack}.";
}
