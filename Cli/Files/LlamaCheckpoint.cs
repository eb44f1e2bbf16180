using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Files.Safetensors;
using NativeFfn.Cli.Conversion;
using NativeFfn.Cli.Options;

namespace NativeFfn.Cli.Files;

/// <summary>A checkpoint in Llama layout, or in Mixtral layout where it has experts, with random feed-forward layers and nothing else, to be written.</summary>
internal sealed class LlamaCheckpoint
{
    // 4 MiB of float32: little memory, and Ctrl+C is looked for often.
    private const int PieceElements = 1024 * 1024;

    private readonly FfnSpec _spec;
    private readonly int _layers;
    private readonly WeightType _type;
    private readonly ulong _seed;

    /// <summary>Describes the checkpoint.</summary>
    /// <exception cref="UsageException">The layout cannot express the kind.</exception>
    /// <exception cref="ArgumentException">A matrix would have too many elements, or the mixture contradicts itself.</exception>
    public LlamaCheckpoint(FfnKind kind, LayerShape shape, int layers, WeightType type, ulong seed, MixtureSpec? mixture = null)
    {
        string? reason = type.Packed?.WhyNot(".weight", [shape.DFf, shape.DModel], isTransposed: false)
            ?? type.Packed?.WhyNot(".weight", [shape.DModel, shape.DFf], isTransposed: false);
        if (reason is not null)
        {
            throw new UsageException($"--dtype {type} and --shape {shape}: {reason}.");
        }

        FfnSpec network = FfnSpec.Create(kind, shape.DModel, shape.DFf)
            .WithNorms(pre: new NormSpec(NormKind.Rms, (float)LlamaConfig.NormEpsilon));
        _spec = mixture is null ? network : network.WithExperts(mixture);
        _layers = layers;
        _type = type;
        _seed = seed;
        Config = LlamaConfig.Create(kind, shape, layers, type, mixture) with
        {
            QuantizationConfig = type.Packed?.Describe(Enumerable.Range(0, layers)
                .SelectMany(layer => _spec.Tensors.Where(tensor => FormOf(tensor) is not null).Select(tensor => MatrixForm.ModuleOf(NameOf(tensor, layer))))),
        };
    }

    /// <summary>Its <c>config.json</c>.</summary>
    public LlamaConfig Config { get; }

    /// <summary>How weights are stored.</summary>
    public string WeightType => _type.Packed is null ? _type.TorchName : _type.Name;

    /// <summary>One of its layers.</summary>
    public FfnSpec Spec => _spec;

    /// <summary>Elements of all layers.</summary>
    public long ElementCount => checked(_spec.ParameterCount * _layers);

    /// <summary>Bytes of all layers as stored.</summary>
    public long ByteCount => checked(_layers * _spec.Tensors.SelectMany(tensor => Declare(tensor, 0))
        .Sum(static declared => declared.Shape.Aggregate((long)SafetensorsTypes.SizeOf(declared.Type), static (bytes, size) => bytes * size)));

    /// <summary>Writes <c>model.safetensors</c>, a piece at a time.</summary>
    /// <param name="path">The file.</param>
    /// <param name="written">Told how many elements each piece had.</param>
    /// <param name="cancellation">Looked at between pieces; what was written is removed then.</param>
    public void WriteTensors(string path, Action<int> written, CancellationToken cancellation)
    {
        var tensors = new List<(string Name, string Type, long[] Shape)>();
        for (int layer = 0; layer < _layers; layer++)
        {
            foreach (FfnTensor tensor in _spec.Tensors)
            {
                tensors.AddRange(Declare(tensor, layer));
            }
        }

        using var writer = new SafetensorsWriter(path, tensors, new Dictionary<string, string> { ["format"] = "pt" });
        for (int layer = 0; layer < _layers; layer++)
        {
            var weights = new XavierWeights(_spec, unchecked(_seed + (ulong)layer));
            foreach (FfnTensor tensor in _spec.Tensors)
            {
                WriteTensor(writer, weights, tensor, written, cancellation);
            }
        }

        writer.Commit();
    }

    private MatrixForm? FormOf(FfnTensor tensor) => tensor.Role is FfnTensorRole.Weight or FfnTensorRole.UpWeight ? _type.Packed : null;

    private IEnumerable<(string Name, string Type, long[] Shape)> Declare(FfnTensor tensor, int layer)
    {
        string name = NameOf(tensor, layer);
        long[] shape = tensor.IsVector ? [tensor.Columns] : [tensor.Rows, tensor.Columns];
        return FormOf(tensor)?.Declare(name, shape) ?? [(name, _type.SafetensorsName, shape)];
    }

    private void WriteTensor(
        SafetensorsWriter writer, XavierWeights weights, FfnTensor tensor, Action<int> written, CancellationToken cancellation)
    {
        int pieceRows = Math.Clamp(PieceElements / tensor.Columns, 1, tensor.Rows);
        float[] piece = new float[pieceRows * tensor.Columns];
        PackedMatrixWriter? packed = FormOf(tensor) is { } form ? new PackedMatrixWriter(form, tensor.Rows, tensor.Columns, writer) : null;
        float[] decoded = new float[tensor.Columns];
        for (int first = 0; first < tensor.Rows; first += pieceRows)
        {
            cancellation.ThrowIfCancellationRequested();
            Span<float> rows = piece.AsSpan(0, Math.Min(pieceRows, tensor.Rows - first) * tensor.Columns);
            weights.ReadRows(tensor, first, rows);
            written(rows.Length);
            if (packed is null)
            {
                writer.Write(rows);
                continue;
            }

            for (int row = 0; row < rows.Length; row += tensor.Columns)
            {
                packed.Write(rows.Slice(row, tensor.Columns), decoded);
            }
        }

        packed?.Finish();
    }

    private static string NameOf(FfnTensor tensor, int layer)
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

    private static string NameInMixtral(FfnTensor tensor) => tensor switch
    {
        { Stage: 1 } => "w2",
        { Role: FfnTensorRole.UpWeight } => "w3",
        _ => "w1",
    };
}
