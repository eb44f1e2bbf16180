using System.Collections.Frozen;
using NativeFfn.Hosting;

namespace NativeFfn.AspNetCore.Http;

/// <summary>The layers by their names in addresses, found without making a string.</summary>
internal sealed class LayerCatalog(IFfnClient client)
{
    // Longer than any name in a configuration; what is longer is not looked for.
    private const int MaxNameLength = 256;

    private volatile Known? _known;

    /// <summary>All layers, in the order of the configuration, as clients are told of them.</summary>
    public IEnumerable<LayerEntry> Describe() =>
        client.Layers.Select(info => LayerEntry.Of(info, LoadedOf(info)));

    /// <summary>The layer of a name such as <c>model/3</c>.</summary>
    /// <exception cref="RequestException">There is no such layer.</exception>
    public FfnLayerInfo Find(ReadOnlySpan<char> name)
    {
        IReadOnlyList<FfnLayerInfo> layers = client.Layers;
        Known? known = _known;
        if (known?.Layers != layers)
        {
            // The first request, or a model was replaced.
            _known = known = new Known(layers, layers.ToFrozenDictionary(static layer => layer.Name));
        }

        return name.Length <= MaxNameLength
            && known.ByName.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(name, out FfnLayerInfo? layer)
            ? layer
            : throw new RequestException(
                ProblemKind.LayerUnknown, $"There is no layer '{Shortened(name)}'; GET /v1/layers lists those that there are.");
    }

    /// <summary>The layer of an address's two parts.</summary>
    /// <exception cref="RequestException">There is no such layer.</exception>
    public FfnLayerInfo Find(string model, string index)
    {
        if (model.Length + 1 + index.Length > MaxNameLength)
        {
            return Find($"{model}/{index}".AsSpan());
        }

        Span<char> name = stackalloc char[model.Length + 1 + index.Length];
        model.CopyTo(name);
        name[model.Length] = '/';
        index.CopyTo(name[(model.Length + 1)..]);
        return Find(name);
    }

    // One that was in memory a moment ago may have made room for another.
    private FfnLayer? LoadedOf(FfnLayerInfo info)
    {
        try
        {
            return info.IsLoaded ? client.GetLayer(info.Name) : null;
        }
        catch (FfnUnavailableException)
        {
            return null;
        }
    }

    private static string Shortened(ReadOnlySpan<char> name) => name.Length <= MaxNameLength ? name.ToString() : $"{name[..32]}...";

    private sealed record Known(IReadOnlyList<FfnLayerInfo> Layers, FrozenDictionary<string, FfnLayerInfo> ByName);
}
