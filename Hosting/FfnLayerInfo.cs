namespace NativeFfn.Hosting;

/// <summary>A layer that a server holds.</summary>
/// <param name="Name">What requests call it: <c>model/index</c>.</param>
/// <param name="Model">The model's name in the options.</param>
/// <param name="Index">Its index in the model, from 0.</param>
/// <param name="Spec">Its shape and formula.</param>
/// <param name="WeightBytes">Bytes that its weights occupy in the backend's memory while they are there.</param>
public sealed record FfnLayerInfo(string Name, string Model, int Index, FfnSpec Spec, long WeightBytes)
{
    /// <summary>
    /// Whether its weights are in memory; else its model was unloaded to make room (<see cref="NativeFfnOptions.MaxWeightBytes"/>), and a
    /// request loads it again.
    /// </summary>
    public bool IsLoaded { get; init; } = true;
}
