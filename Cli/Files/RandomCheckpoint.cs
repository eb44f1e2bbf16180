using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Files.Safetensors;
using NativeFfn.Cli.Conversion;
using NativeFfn.Cli.Options;

namespace NativeFfn.Cli.Files;

/// <summary>A checkpoint with random feed-forward layers and nothing else, to be written.</summary>
internal sealed class RandomCheckpoint
{
    // 4 MiB of float32: little memory, and Ctrl+C is looked for often.
    private const int PieceElements = 1024 * 1024;

    private readonly CheckpointForm _form;
    private readonly WeightType _type;
    private readonly ulong _seed;

    /// <summary>Describes the checkpoint.</summary>
    /// <exception cref="UsageException">The type cannot store one of its matrices.</exception>
    public RandomCheckpoint(CheckpointForm form, WeightType type, ulong seed)
    {
        foreach (FfnTensor tensor in form.Spec.Tensors.Where(IsPacked))
        {
            if (type.Packed?.WhyNot(".weight", [tensor.Rows, tensor.Columns], isTransposed: false) is { } reason)
            {
                throw new UsageException($"--dtype {type} and {form.Option} {form.Shape}: {reason}.");
            }
        }

        _form = form;
        _type = type;
        _seed = seed;
    }

    /// <summary>The text of its <c>config.json</c>.</summary>
    public string Configuration => _form.Configuration(_type, _type.Packed?.Describe(Enumerable.Range(0, Layers)
        .SelectMany(layer => Spec.Tensors.Where(IsPacked).Select(tensor => MatrixForm.ModuleOf(_form.NameOf(tensor, layer))))));

    /// <summary>The option that gave its widths.</summary>
    public string Option => _form.Option;

    /// <summary>How many layers it has.</summary>
    public int Layers => _form.Layers;

    /// <summary>How weights are stored.</summary>
    public string WeightType => _type.Packed is null ? _type.TorchName : _type.Name;

    /// <summary>One of its layers.</summary>
    public FfnSpec Spec => _form.Spec;

    /// <summary>Elements of all layers.</summary>
    public long ElementCount => checked(Spec.ParameterCount * Layers);

    /// <summary>Bytes of all layers as stored.</summary>
    public long ByteCount => checked(Layers * Spec.Tensors.SelectMany(tensor => Declare(tensor, 0))
        .Sum(static declared => declared.Shape.Aggregate((long)SafetensorsTypes.SizeOf(declared.Type), static (bytes, size) => bytes * size)));

    /// <summary>Writes <c>model.safetensors</c>, a piece at a time.</summary>
    /// <param name="path">The file.</param>
    /// <param name="written">Told how many elements each piece had.</param>
    /// <param name="cancellation">Looked at between pieces; what was written is removed then.</param>
    public void WriteTensors(string path, Action<int> written, CancellationToken cancellation)
    {
        var tensors = new List<(string Name, string Type, long[] Shape)>();
        for (int layer = 0; layer < Layers; layer++)
        {
            foreach (FfnTensor tensor in Spec.Tensors)
            {
                tensors.AddRange(Declare(tensor, layer));
            }
        }

        using var writer = new SafetensorsWriter(path, tensors, new Dictionary<string, string> { ["format"] = "pt" });
        for (int layer = 0; layer < Layers; layer++)
        {
            var weights = new XavierWeights(Spec, unchecked(_seed + (ulong)layer));
            foreach (FfnTensor tensor in Spec.Tensors)
            {
                WriteTensor(writer, weights, tensor, written, cancellation);
            }
        }

        writer.Commit();
    }

    private MatrixForm? FormOf(FfnTensor tensor) => IsPacked(tensor) ? _type.Packed : null;

    private static bool IsPacked(FfnTensor tensor) => tensor.Role is FfnTensorRole.Weight or FfnTensorRole.UpWeight;

    private IEnumerable<(string Name, string Type, long[] Shape)> Declare(FfnTensor tensor, int layer)
    {
        string name = _form.NameOf(tensor, layer);
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
}
