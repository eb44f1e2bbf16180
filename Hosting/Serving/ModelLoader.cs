using NativeFfn.Checkpoints;

namespace NativeFfn.Hosting.Serving;

/// <summary>Opens an engine and loads models as validated options say; errors name the key that led to them.</summary>
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

    /// <summary>Loads the layers of a model.</summary>
    /// <param name="engine">The engine.</param>
    /// <param name="options">The engine's options.</param>
    /// <param name="model">The model's name.</param>
    /// <param name="source">Where it comes from.</param>
    /// <param name="loaded">
    /// Told of every layer, and of what it reads from later, which are the receiver's to dispose from then on, whatever fails.
    /// </param>
    /// <param name="cancellationToken">Ends loading between two layers.</param>
    /// <exception cref="FfnHostingException">A layer cannot be loaded.</exception>
    public static void Load(
        FfnEngine engine, NativeFfnOptions options, string model, FfnModelOptions source,
        Action<FfnLayerInfo, FfnLayer, IDisposable?> loaded, CancellationToken cancellationToken)
    {
        string key = $"{options.Section}:Models:{model}";
        try
        {
            foreach ((int index, FfnLayer layer, IDisposable? kept) in source.Path is null
                ? LoadMade(engine, source)
                : LoadCheckpoint(engine, key, source, options.Engine.MaxResidentExperts > 0))
            {
                loaded(new FfnLayerInfo($"{model}/{index}", model, index, layer.Spec, layer.WeightBytes), layer, kept);
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

    private static IEnumerable<(int Index, FfnLayer Layer, IDisposable? Kept)> LoadMade(FfnEngine engine, FfnModelOptions source) =>
        source.MadeByCode.Select((made, index) => (index, engine.CreateLayer(made.Spec, made.Weights), (IDisposable?)null));

    // With a bound on resident experts, mixtures read others from the file for as long as they are served.
    private static IEnumerable<(int Index, FfnLayer Layer, IDisposable? Kept)> LoadCheckpoint(
        FfnEngine engine, string key, FfnModelOptions source, bool keepsOpen)
    {
        CheckpointTower? tower = Names<CheckpointTower>.TryParse(source.Tower, out CheckpointTower named) ? named : null;
        using var file = new KeptCheckpoint(FfnCheckpoint.Open(source.Path!, tower));
        FfnCheckpoint checkpoint = file.Checkpoint;
        _ = LayerSelection.TryParse(source.Layers, out LayerSelection layers);
        if (layers.Last >= checkpoint.LayerCount)
        {
            throw new FfnHostingException(
                $"{key}:Layers is '{source.Layers}', but {checkpoint.Path} has {checkpoint.LayerCount} layers, counted from 0 to " +
                $"{checkpoint.LayerCount - 1}.");
        }

        foreach (int index in layers.Of(checkpoint.LayerCount))
        {
            FfnLayer layer = engine.LoadLayer(checkpoint, index);
            yield return (index, layer, keepsOpen && layer.Spec.Mixture is not null ? file.Use() : null);
        }
    }
}
