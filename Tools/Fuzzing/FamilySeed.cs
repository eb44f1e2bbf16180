using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Families;

namespace NativeFfn.Fuzzing;

/// <summary>A checkpoint of one small layer as a row of the table of families has it, of random numbers.</summary>
public sealed class FamilySeed
{
    private const int Width = 8;
    private const int Inner = 12;
    private const int ExpertInner = 6;
    private const int Experts = 4;

    private readonly Random _random = new(11);
    private readonly Dictionary<string, (ImmutableArray<long> Shape, float[] Values)> _tensors = [];

    /// <summary>Makes the layer in one of the forms that the row has.</summary>
    /// <param name="modelType">A <c>model_type</c> of the row.</param>
    /// <param name="form">Which form.</param>
    public FamilySeed(string modelType, int form)
    {
        FfnFamily row = FamilyCatalog.Find(modelType)!;
        Name = "row-" + row.ModelTypes[0];
        Config = ConfigOf(row).ToJsonString();
        string folder = Directory.CreateTempSubdirectory("nativeffn-seed-").FullName;
        try
        {
            string configPath = Path.Combine(folder, "config.json");
            System.IO.File.WriteAllText(configPath, Config);
            string weights = Path.Combine(folder, "model.safetensors");
            System.IO.File.WriteAllBytes(weights, SeedCorpus.SafeTensors("{}", 0));
            using CheckpointTensors nothing = CheckpointTensors.OpenFile(weights);
            FamilyLayout layout = FamilyCatalog.Read(CheckpointConfig.Read(configPath), null, nothing);
            Write(layout, layout.Plan(0), form, nothing);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>A name that may be a file's.</summary>
    public string Name { get; }

    /// <summary>How many forms the row has.</summary>
    public int Forms { get; private set; }

    /// <summary>The configuration.</summary>
    public string Config { get; }

    /// <summary>The network's tensors by their names in the layer.</summary>
    public Dictionary<string, float[]> Written { get; } = [];

    /// <summary>The safetensors file.</summary>
    public byte[] File
    {
        get
        {
            var header = new JsonObject();
            long end = 0;
            foreach ((string name, (ImmutableArray<long> shape, float[] values)) in _tensors)
            {
                long start = end;
                end += values.Length * sizeof(float);
                header[name] = new JsonObject
                {
                    ["dtype"] = "F32",
                    ["shape"] = new JsonArray([.. shape.Select(static size => (JsonNode)size)]),
                    ["data_offsets"] = new JsonArray { start, end },
                };
            }

            byte[] json = Encoding.UTF8.GetBytes(header.ToJsonString());
            return
            [
                .. BitConverter.GetBytes((ulong)json.Length), .. json,
                .. _tensors.Values.SelectMany(static tensor => MemoryMarshal.AsBytes<float>(tensor.Values).ToArray()),
            ];
        }
    }

    private static JsonObject ConfigOf(FfnFamily row)
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
            Set(config, mixture.ExpertsKey, Experts);
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
            Set(config, "embed_dim", Width);
            Set(config, "patch_embeds_hidden_size", Width);
            config["depths"] = new JsonArray { 1 };
            config["block_sizes"] = new JsonArray { 1 };
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

    private void Write(FamilyLayout layout, LayerPlan plan, int form, CheckpointTensors nothing)
    {
        Forms = plan.Forms.Length;
        string prefix = layout.Prefixes[0];
        StoredNetwork network = plan.Forms[form].Fit(new LayerNames(nothing, prefix, plan.Path));
        foreach (FfnTensor tensor in network.Spec.Tensors)
        {
            Write(prefix + plan.Path, tensor, network.Place(tensor)!.Value);
        }

        foreach ((string place, FamilyNorm norm) in layout.Family.Norms.Where(norm =>
            norm.Norm.Names.Length > 0 && (network.Spec.Mixture is not null || norm.Norm != layout.Family.Mixture?.BranchNorm)))
        {
            string name = norm.Names[0] is ['/', .. string beside]
                ? prefix + beside.Replace("{0}", "0", StringComparison.Ordinal)
                : prefix + plan.Path + norm.Names[0];
            int width = place == "inner" ? network.Spec.DFf : network.Spec.DModel;
            _tensors[name + ".weight"] = ([width], Numbers(width));
            if (norm.HasBias != false)
            {
                _tensors[name + ".bias"] = ([width], Numbers(width));
            }
        }

        if (layout.Family.Block.Scale is { } scale)
        {
            _tensors[prefix + plan.Path + scale] = ([network.Spec.DModel], Numbers(network.Spec.DModel));
        }
    }

    // Where an element lies is said once more here, so that a reader that is wrong finds other numbers.
    private void Write(string path, FfnTensor tensor, StoredTensor place)
    {
        if (!_tensors.TryGetValue(path + place.Name, out (ImmutableArray<long> Shape, float[] Values) stored))
        {
            _tensors[path + place.Name] = stored = (place.Shape, new float[place.Shape.Aggregate(1L, static (a, b) => a * b)]);
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

    private float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => (2 * _random.NextSingle()) - 1)];
}
