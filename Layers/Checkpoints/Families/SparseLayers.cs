using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>Rules by which configurations say which layers are mixtures; null where a configuration does not say.</summary>
internal static class SparseLayers
{
    private const string TypesKey = "mlp_layer_types";

    /// <summary>No key says: the file alone does.</summary>
    public static Func<int, bool>? ByFile(CheckpointConfig config) => null;

    /// <summary>
    /// The list <c>mlp_layer_types</c>, or the layers after the first <c>first_k_dense_replace</c>, of every <c>moe_layer_freq</c> one.
    /// </summary>
    public static Func<int, bool>? AfterTheDense(CheckpointConfig config)
    {
        int step = config.Size("moe_layer_freq", 1);
        if (ByTypes(config) is { } types)
        {
            return types;
        }

        if (!config.Has("first_k_dense_replace"))
        {
            return null;
        }

        int firstSparse = config.Count("first_k_dense_replace");
        return layer => layer >= firstSparse && layer % step == 0;
    }

    /// <summary>The list <c>mlp_layer_types</c>, or the layers after the first <c>num_dense_layers</c>.</summary>
    public static Func<int, bool>? AfterTheFirst(CheckpointConfig config)
    {
        int? first = config.Has("num_dense_layers") ? config.Count("num_dense_layers") : null;
        return ByTypes(config) ?? (first is { } count ? layer => layer >= count : null);
    }

    /// <summary>"Step" counts from the end of a group: of every so many layers the last is a mixture.</summary>
    public static Func<int, bool>? LastOfEveryStep(CheckpointConfig config)
    {
        int step = config.Size("decoder_sparse_step", 1);
        HashSet<int> denseOnly = [.. config.Counts("mlp_only_layers")];
        bool says = config.Has("decoder_sparse_step") || config.Has("mlp_only_layers");
        return ByTypes(config) ?? (says ? layer => (layer + 1) % step == 0 && !denseOnly.Contains(layer) : null);
    }

    /// <summary>Jamba: every so many layers one, from an offset on.</summary>
    public static Func<int, bool>? OfPeriod(CheckpointConfig config)
    {
        if (!config.Has("expert_layer_period"))
        {
            return null;
        }

        int period = config.Size("expert_layer_period");
        int offset = config.Count("expert_layer_offset", 1);
        return layer => ((layer % period) - (offset % period)) % period == 0;
    }

    /// <summary>Llama 4: those of a list, or the last of every so many.</summary>
    public static Func<int, bool>? OfList(CheckpointConfig config)
    {
        if (config.Has("moe_layers"))
        {
            HashSet<int> listed = [.. config.Counts("moe_layers")];
            return listed.Contains;
        }

        int step = config.Size("interleave_moe_layer_step", 1);
        return config.Has("interleave_moe_layer_step") ? layer => (layer + 1) % step == 0 : null;
    }

    /// <summary>ERNIE 4.5: from a layer to another one, of every so many the last.</summary>
    public static Func<int, bool>? OfRange(CheckpointConfig config)
    {
        if (!config.Has("moe_layer_start_index"))
        {
            return null;
        }

        int first = config.Count("moe_layer_start_index");
        int step = config.Size("moe_layer_interval", 1);

        // -1 means the last layer.
        int last = config.Has("moe_layer_end_index") && config.Factor("moe_layer_end_index", -1) >= 0 ? config.Count("moe_layer_end_index")
            : int.MaxValue;
        return layer => layer >= first && layer <= last && (layer + 1) % step == 0;
    }

    /// <summary>MiMo: a list of 0 and 1.</summary>
    public static Func<int, bool>? OfFlags(CheckpointConfig config)
    {
        ImmutableArray<int> flags = config.Counts("moe_layer_freq");
        return ByTypes(config) ?? (flags.IsEmpty ? null : layer => layer < flags.Length && flags[layer] != 0);
    }

    private static Func<int, bool>? ByTypes(CheckpointConfig config)
    {
        ImmutableArray<string> types = config.Texts(TypesKey);
        return types.IsEmpty ? null : layer => layer < types.Length && types[layer] != "dense";
    }
}
