using System.Collections.Frozen;

namespace NativeFfn.Hosting.Serving;

/// <summary>The layers of an engine by name, in memory or not; a change makes another of these.</summary>
internal sealed class ServedLayers : IDisposable
{
    // More names than this tell a reader nothing; an error stays one line.
    private const int NamesInError = 8;

    private readonly FrozenDictionary<string, LayerPlace> _byName;

    private ServedLayers(IEnumerable<LayerPlace> places)
    {
        LayerPlace[] all = [.. places.OrderBy(static place => place.Info.Model, StringComparer.Ordinal)];
        Infos = [.. all.Select(static place => place.Info)];
        All = [.. all.Select(static place => place.Served).OfType<ServedLayer>()];
        WeightBytes = All.Sum(static layer => layer.Info.WeightBytes);
        var byName = all.ToDictionary(static place => place.Info.Name, StringComparer.Ordinal);
        if (all.DistinctBy(static place => place.Info.Model).Count() == 1)
        {
            foreach (LayerPlace place in all)
            {
                byName.Add(place.Info.Index.ToString(System.Globalization.CultureInfo.InvariantCulture), place);
            }
        }

        _byName = byName.ToFrozenDictionary(StringComparer.Ordinal);
    }

    /// <summary>None.</summary>
    public static ServedLayers Empty { get; } = new([]);

    /// <summary>What is told of all layers, those of unloaded models among them.</summary>
    public IReadOnlyList<FfnLayerInfo> Infos { get; }

    /// <summary>The layers that are in memory.</summary>
    public IReadOnlyList<ServedLayer> All { get; }

    /// <summary>Bytes that their weights occupy.</summary>
    public long WeightBytes { get; }

    private IEnumerable<LayerPlace> Places => Infos.Select(info => _byName[info.Name]);

    /// <exception cref="FfnLayerNotFoundException">No layer is called so.</exception>
    public LayerPlace Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _byName.TryGetValue(name, out LayerPlace? place) ? place : throw NotFound(name);
    }

    /// <summary>A model's layers that are in memory.</summary>
    public ServedLayer[] Of(string model) => [.. All.Where(layer => layer.Info.Model == model)];

    /// <summary>With these as a model's layers, and none of its others.</summary>
    public ServedLayers Replace(string model, IEnumerable<ServedLayer> layers) =>
        new(Places.Where(place => place.Info.Model != model).Concat(layers.Select(static layer => new LayerPlace(layer.Info, layer))));

    /// <summary>With a model's layers known, and not in memory.</summary>
    public ServedLayers Unload(string model) => new(Places.Select(
        place => place.Info.Model == model ? new LayerPlace(place.Info with { IsLoaded = false }, null) : place));

    public void Dispose()
    {
        foreach (ServedLayer layer in All)
        {
            layer.Dispose();
        }
    }

    private FfnLayerNotFoundException NotFound(string name)
    {
        string names = string.Join(", ", Infos.Take(NamesInError).Select(static info => info.Name));
        string more = Infos.Count > NamesInError ? $" and {Infos.Count - NamesInError} more" : string.Empty;
        return new FfnLayerNotFoundException(name, $"There is no layer '{name}'. There are {names}{more}.");
    }
}

/// <summary>What a layer's name leads to.</summary>
/// <param name="Info">What is told of it.</param>
/// <param name="Served">The layer; null while its model is not in memory.</param>
internal sealed record LayerPlace(FfnLayerInfo Info, ServedLayer? Served);
