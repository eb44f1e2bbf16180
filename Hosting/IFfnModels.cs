namespace NativeFfn.Hosting;

/// <summary>Replaces models of an engine while it serves them. A singleton beside <see cref="IFfnClient"/>, with the same key.</summary>
/// <remarks>
/// A model is loaded and warmed up beside the one that is served, then new requests go to it, those that the old one has taken are
/// answered by the old one, and that is freed. No request is dropped or meets both. For a moment both are in memory. Where the new one
/// cannot be loaded, the old one is served as before. The same happens when the configuration of an engine changes and the host watches
/// it: models that are new in it, gone from it, or have another path, tower or layers are loaded, let go, or replaced; nothing else is
/// read again. Under a bound (<see cref="NativeFfnOptions.MaxWeightBytes"/>) both copies count, and others may go for them.
/// </remarks>
public interface IFfnModels
{
    /// <summary>Loads a model again from where it came from.</summary>
    /// <param name="model">The model's name.</param>
    /// <param name="cancellationToken">Ends it between two layers, before the new model is served.</param>
    /// <returns>Done when the new model is served and the old one is freed.</returns>
    /// <exception cref="FfnLayerNotFoundException">There is no such model; the message names those that exist.</exception>
    /// <exception cref="FfnHostingException">The model cannot be loaded; the message says why. The old one is served as before.</exception>
    /// <exception cref="FfnUnavailableException">The engine is not started, shut down, or broken.</exception>
    Task ReloadAsync(string model, CancellationToken cancellationToken = default);

    /// <summary>
    /// Loads a model that was unloaded to make room (<see cref="NativeFfnOptions.MaxWeightBytes"/>), as a request for it would; one that is
    /// in memory counts as asked for now.
    /// </summary>
    /// <param name="model">The model's name.</param>
    /// <param name="cancellationToken">Ends the wait, and not the loading.</param>
    /// <exception cref="FfnLayerNotFoundException">There is no such model; the message names those that exist.</exception>
    /// <exception cref="FfnUnavailableException">
    /// The model cannot be loaded, or there is no room for it; or the engine is not started, shut down, or broken. The message says why.
    /// </exception>
    Task LoadAsync(string model, CancellationToken cancellationToken = default);
}
