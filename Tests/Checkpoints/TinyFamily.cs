using System.Text.Json.Nodes;
using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Families;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>
/// A checkpoint of one small layer as a row of the table has it, of random numbers, with what was written by the layer's own names.
/// </summary>
internal sealed class TinyFamily : IDisposable
{
    private const int Width = 8;
    private const int Inner = 12;
    private const int ExpertInner = 6;

    private readonly Random _random = new(11);
    private readonly Dictionary<string, (long[] Shape, float[] Values)> _tensors = [];

    /// <summary>Writes the layer in one of the forms that the row has.</summary>
    /// <param name="row">The row.</param>
    /// <param name="form">Which form.</param>
    public TinyFamily(FfnFamily row, int form)
    {
        JsonObject config = Config(row);
        using var probe = new TempModel(config.ToJsonString(), ("nothing", [1]));
        using CheckpointTensors tensors = CheckpointTensors.OpenFile(probe.Folder["model.safetensors"]);
        FamilyLayout layout = FamilyCatalog.Read(CheckpointConfig.Read(probe.Folder["config.json"]), null, tensors);
        LayerPlan plan = layout.Plan(0);
        Forms = plan.Forms.Length;
        StoredNetwork network = plan.Forms[form].Fit(new LayerNames(tensors, layout.Prefixes[0], plan.Path));
        string path = layout.Prefixes[0] + plan.Path;
        foreach (FfnTensor tensor in network.Spec.Tensors)
        {
            Write(path, tensor, network.Place(tensor)!.Value);
        }

        WriteNorms(layout, path, network.Spec);
        Model = new TempModel(config.ToJsonString(), RawCheckpoint.File(
            [.. _tensors.Select(static tensor => (tensor.Key, "F32", tensor.Value.Shape, RawCheckpoint.Bytes(tensor.Value.Values)))]));
    }

    /// <summary>How many forms the row has.</summary>
    public int Forms { get; }

    /// <summary>The checkpoint.</summary>
    public TempModel Model { get; }

    /// <summary>The network's tensors by their names in the layer.</summary>
    public Dictionary<string, float[]> Written { get; } = [];

    public void Dispose() => Model.Dispose();

    private static JsonObject Config(FfnFamily row)
    {
        var config = new JsonObject { ["model_type"] = row.ModelTypes[0] };
        Set(config, row.DModelKey, Width);
        Set(config, row.DFfKey, Inner);
        Set(config, "ffn_dim_divisor", 4);
        Set(config, "block_multiple_of", 4);
        foreach (LayerRun run in row.Layers)
        {
            Set(config, run.CountKey, 1);
            Set(config, run.DFfKey, Inner);
        }

        if (row.Mixture is { } mixture)
        {
            Set(config, mixture.ExpertsKey, 4);
            Set(config, mixture.TopKKey, 2);
            Set(config, mixture.DFfKey, ExpertInner);
            Set(config, mixture.Groups.Key, 2);
            Set(config, mixture.TopGroups.Key, 1);
            Set(config, mixture.SharedDFf?.Key, ExpertInner);
            Set(config, mixture.SharedCount?.Key, 1);
        }

        if (row.Map is not null)
        {
            Set(config, "num_hidden_layers", 1);
            config["embed_dim"] = config["patch_embeds_hidden_size"] = Width;
            config["depths"] = new JsonArray(1);
            config["block_sizes"] = new JsonArray(1);
        }

        return config;
    }

    private static void Set(JsonObject config, string? key, int value)
    {
        if (key is null)
        {
            return;
        }

        string[] parts = key.Split('|')[0].Split('.');
        foreach (string part in parts[..^1])
        {
            config = (config[part] ??= new JsonObject()).AsObject();
        }

        config[parts[^1]] = value;
    }

    // Where an element lies is said once more here, so that a reader that is wrong finds other numbers.
    private void Write(string path, FfnTensor tensor, StoredTensor place)
    {
        string name = path + place.Name;
        long[] shape = [.. place.Shape];
        if (!_tensors.TryGetValue(name, out (long[] Shape, float[] Values) stored))
        {
            _tensors[name] = stored = (shape, new float[shape.Aggregate(1L, static (a, b) => a * b)]);
        }

        float[] values = Numbers((int)tensor.ElementCount);
        for (int i = 0; i < values.Length; i++)
        {
            (int row, int column) = Math.DivRem(i, tensor.Columns);
            long at = place.ColumnStep == 0
                ? ((place.First + (row * place.RowStep)) * tensor.Columns) + column
                : place.First + (row * place.RowStep) + (column * place.ColumnStep);
            stored.Values[at] = values[i];
        }

        Written.Add(tensor.Name, values);
    }

    private void WriteNorms(FamilyLayout layout, string path, FfnSpec spec)
    {
        foreach ((string place, FamilyNorm norm) in layout.Family.Norms.Where(static norm => norm.Norm.Names.Length > 0))
        {
            string name = norm.Names[0].StartsWith('/') ? layout.Prefixes[0] + norm.Names[0][1..].Replace("{0}", "0", StringComparison.Ordinal) : path + norm.Names[0];
            int width = place == "inner" ? spec.DFf : spec.DModel;
            _tensors[name + ".weight"] = ([width], Numbers(width));
            if (norm.HasBias != false)
            {
                _tensors[name + ".bias"] = ([width], Numbers(width));
            }
        }

        if (layout.Family.Block.Scale is { } scale)
        {
            _tensors[path + scale] = ([spec.DModel], Numbers(spec.DModel));
        }
    }

    private float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => (2 * _random.NextSingle()) - 1)];
}
