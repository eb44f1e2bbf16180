using System.Collections.Immutable;
using System.Text.Json;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>Finds out how a checkpoint was quantised, from its configuration and the files beside it.</summary>
internal static class Quantisation
{
    private const int MaxBytes = 16 * 1024 * 1024;

    // Text models inside of others have theirs there; older compressed-tensors call it compression_config.
    private static readonly string[] Places = ["text_config", "llm_config", "language_config"];
    private static readonly string[] Keys = ["quantization_config", "compression_config"];

    // MLX writes a copy of it under the usual key, which does not name the method.
    private const string MlxKey = "quantization";

    // What quantisers wrote before config.json had a place for it.
    private static readonly (string File, string Method)[] Others =
        [("quantize_config.json", "gptq"), ("quant_config.json", "awq"), ("hf_quant_config.json", "modelopt")];

    /// <summary>The forms in which a checkpoint's matrices may be stored; empty where it is not quantised.</summary>
    /// <param name="configPath">Its <c>config.json</c>.</param>
    public static ImmutableArray<QuantisedForm> Forms(string configPath)
    {
        QuantisationConfig config = Read(configPath);
        QuantisationConfig[] places = [config, .. Places.Select(config.Object).OfType<QuantisationConfig>()];
        if (Find(places, MlxKey) is { } mlx)
        {
            return QuantisationMethods.Forms("mlx", mlx);
        }

        if (Keys.Select(key => Find(places, key)).FirstOrDefault(static found => found is not null) is { } found)
        {
            return QuantisationMethods.Forms(MethodOf(found), found);
        }

        string folder = Path.GetDirectoryName(Path.GetFullPath(configPath))!;
        foreach ((string file, string method) in Others)
        {
            if (File.Exists(Path.Combine(folder, file)))
            {
                QuantisationConfig beside = Read(Path.Combine(folder, file));
                return QuantisationMethods.Forms(beside.Text("quant_method") ?? method, beside);
            }
        }

        return [];
    }

    private static QuantisationConfig? Find(QuantisationConfig[] places, string key) =>
        places.Select(place => place.Object(key)).FirstOrDefault(static found => found is not null);

    private static string MethodOf(QuantisationConfig config) => config.Text("quant_method")
        ?? (config.Has("config_groups") ? "compressed-tensors"
        : config.Has("quant_algo") ? "modelopt"
        : config.Has("load_in_4bit") || config.Has("load_in_8bit") ? "bitsandbytes"
        : throw config.Wrong(
            "quant_method", $"absent from 'quantization_config'; supported are {string.Join(", ", QuantisationMethods.Names)}"));

    private static QuantisationConfig Read(string path)
    {
        using JsonDocument document = CheckpointJson.ParseObject(path, MaxBytes, "a configuration", mayRepeat: true);
        return new QuantisationConfig(path, document.RootElement.Clone());
    }
}
