using System.Collections.Frozen;

namespace NativeFfn.Hosting.Serving;

/// <summary>The layers of an engine by name.</summary>
internal sealed class ServedLayers : IDisposable
{
    // More names than this tell a reader nothing; an error stays one line.
    private const int NamesInError = 8;

    private readonly IReadOnlyList<ServedLayer> _layers;
    private readonly FrozenDictionary<string, ServedLayer> _byName;

    public ServedLayers(IReadOnlyList<ServedLayer> layers)
    {
        _layers = layers;
        Infos = [.. layers.Select(static layer => layer.Info)];
        var byName = layers.ToDictionary(static layer => layer.Info.Name, StringComparer.Ordinal);
        if (layers.DistinctBy(static layer => layer.Info.Model).Count() == 1)
        {
            foreach (ServedLayer layer in layers)
            {
                byName.Add(layer.Info.Index.ToString(System.Globalization.CultureInfo.InvariantCulture), layer);
            }
        }

        _byName = byName.ToFrozenDictionary(StringComparer.Ordinal);
    }

    public IReadOnlyList<FfnLayerInfo> Infos { get; }

    public IReadOnlyList<ServedLayer> All => _layers;

    /// <exception cref="FfnLayerNotFoundException">No layer is called so.</exception>
    public ServedLayer Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _byName.TryGetValue(name, out ServedLayer? layer) ? layer : throw NotFound(name);
    }

    public void Dispose()
    {
        foreach (ServedLayer layer in _layers)
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
