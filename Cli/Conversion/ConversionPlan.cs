using System.Collections.Frozen;
using System.Globalization;
using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Files;

namespace NativeFfn.Cli.Conversion;

/// <summary>Which tensors of a checkpoint take another form.</summary>
/// <param name="Form">The form.</param>
/// <param name="Layers">The layers, as they were asked for.</param>
/// <param name="Matrices">The names of the tensors that take it; all others stay as they are.</param>
/// <param name="Files">The files that have the tensors.</param>
internal sealed record ConversionPlan(MatrixForm Form, string Layers, FrozenSet<string> Matrices, IReadOnlyList<string> Files)
{
    private static readonly string[] Floats = ["F32", "BF16", "F16"];

    /// <summary>The plan for some layers.</summary>
    /// <exception cref="UsageException">A matrix cannot take the form; the message names it.</exception>
    public static ConversionPlan Of(FfnCheckpoint checkpoint, LayerSelection layers, MatrixForm form)
    {
        if (checkpoint.WeightFiles.FirstOrDefault(static file => !file.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)) is { } other)
        {
            throw new UsageException($"--model '{other}' is no safetensors file; convert reads the model's own folder, with config.json.");
        }

        if (layers.Last >= checkpoint.LayerCount)
        {
            throw new UsageException(
                $"--layers '{layers.Text}' names layer {layers.Last}; the model has {checkpoint.LayerCount}, counted from 0.");
        }

        var matrices = new HashSet<string>();
        foreach (int layer in layers.Of(checkpoint.LayerCount))
        {
            FfnCheckpointLayer found = checkpoint.GetLayer(layer);
            var weights = (CheckpointWeights)found.Weights;
            foreach (FfnTensor tensor in found.Spec.Tensors.Where(static tensor => tensor.Role is FfnTensorRole.Weight or FfnTensorRole.UpWeight))
            {
                StoredRows rows = weights.RowsOf(tensor);
                matrices.Add(NameOf(rows, tensor, found, form));
            }
        }

        return new ConversionPlan(form, layers.Text, matrices.ToFrozenSet(), checkpoint.WeightFiles);
    }

    /// <summary>What a converted file says of how it came to be, so that a later run knows it again.</summary>
    public string MarkOf(string file)
    {
        var info = new FileInfo(file);
        return string.Create(
            CultureInfo.InvariantCulture, $"{Form.Name} of layers {Layers} of {info.Name}, {info.Length} bytes of {info.LastWriteTimeUtc:O}");
    }

    private static string NameOf(StoredRows rows, FfnTensor tensor, FfnCheckpointLayer layer, MatrixForm form)
    {
        TensorEntry? stored = rows.Tensor;
        if (stored is null || !Floats.Contains(stored.Type))
        {
            throw new UsageException(
                $"layer {layer.Index}: {tensor.Name} is stored as {layer.WeightType}; converting what is quantised loses twice. Start from the model in floats.");
        }

        return form.WhyNot(stored.Name, stored.Shape.AsSpan(), rows.IsTransposed) is { } reason
            ? throw new UsageException($"layer {layer.Index}: '{stored.Name}' cannot become {form.Name}: {reason}.")
            : stored.Name;
    }
}
