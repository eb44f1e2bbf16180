using NativeFfn.Checkpoints;

namespace NativeFfn.Hosting.Serving;

/// <summary>Opens an engine and loads its layers as validated options say; errors name the key that led to them.</summary>
internal static class ModelLoader
{
    /// <exception cref="FfnHostingException">The engine cannot be opened.</exception>
    public static FfnEngine OpenEngine(NativeFfnOptions options)
    {
        try
        {
            return FfnEngine.Create(options.Engine);
        }
        catch (BackendUnavailableException exception)
        {
            string backend = Names<BackendKind>.Of(options.Engine.Backend);
            throw new FfnHostingException($"{options.Section}:Backend is '{backend}'. {exception.Message}", exception);
        }
    }

    /// <summary>Loads the layers of all models, in the order of the models' names.</summary>
    /// <param name="engine">The engine.</param>
    /// <param name="options">What is loaded.</param>
    /// <param name="loaded">Told of every layer, which is the receiver's to dispose from then on, whatever fails.</param>
    /// <param name="cancellationToken">Ends loading between two layers.</param>
    /// <exception cref="FfnHostingException">A layer cannot be loaded.</exception>
    public static void Load(
        FfnEngine engine, NativeFfnOptions options, Action<FfnLayerInfo, FfnLayer> loaded, CancellationToken cancellationToken)
    {
        foreach ((string model, FfnModelOptions source) in options.Models.OrderBy(static model => model.Key, StringComparer.Ordinal))
        {
            string key = $"{options.Section}:Models:{model}";
            try
            {
                foreach ((int index, FfnLayer layer) in
                    source.Path is null ? LoadMade(engine, source) : LoadCheckpoint(engine, key, source))
                {
                    loaded(new FfnLayerInfo($"{model}/{index}", model, index, layer.Spec, layer.WeightBytes), layer);
                    cancellationToken.ThrowIfCancellationRequested();
                }
            }
            catch (Exception exception) when (exception
                is CheckpointException or NotSupportedException or InsufficientMemoryException or DeviceFailedException
                    or OverflowException)
            {
                throw new FfnHostingException($"{key} cannot be loaded: {exception.Message}", exception);
            }
        }
    }

    private static IEnumerable<(int Index, FfnLayer Layer)> LoadMade(FfnEngine engine, FfnModelOptions source) =>
        source.MadeByCode.Select((made, index) => (index, engine.CreateLayer(made.Spec, made.Weights)));

    private static IEnumerable<(int Index, FfnLayer Layer)> LoadCheckpoint(FfnEngine engine, string key, FfnModelOptions source)
    {
        CheckpointTower? tower = Names<CheckpointTower>.TryParse(source.Tower, out CheckpointTower named) ? named : null;
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(source.Path!, tower);
        _ = LayerSelection.TryParse(source.Layers, out LayerSelection layers);
        if (layers.Last >= checkpoint.LayerCount)
        {
            throw new FfnHostingException(
                $"{key}:Layers is '{source.Layers}', but {checkpoint.Path} has {checkpoint.LayerCount} layers, counted from 0 to " +
                $"{checkpoint.LayerCount - 1}.");
        }

        foreach (int index in layers.Of(checkpoint.LayerCount))
        {
            yield return (index, engine.LoadLayer(checkpoint, index));
        }
    }
}
