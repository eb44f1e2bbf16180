namespace NativeFfn.Hosting;

/// <summary>Where a model's layers come from. Code adds them by <see cref="NativeFfnOptions.AddLayer"/> and need no path.</summary>
public sealed class FfnModelOptions
{
    /// <summary>
    /// A checkpoint: its folder, or its safetensors file or index. Read at start and when the model is replaced or comes back, and then
    /// closed.
    /// </summary>
    public string? Path { get; set; }

    /// <summary>The layers to load, such as <c>0-3,7</c>; null or <c>all</c> for every one.</summary>
    public string? Layers { get; set; }

    /// <summary>
    /// The part of a model that has several: <c>text</c>, <c>vision</c>, <c>audio</c>, <c>encoder</c> or <c>decoder</c>; null for the text
    /// model, or encoder and decoder together.
    /// </summary>
    public string? Tower { get; set; }

    /// <summary>
    /// The model's part of the engine beside other models while all of them have requests waiting: one with 2 gets twice the time of one
    /// with 1. Within a model, layers have equal parts.
    /// </summary>
    public double Weight { get; set; } = 1;

    /// <summary>
    /// Whether the model may be unloaded where <see cref="NativeFfnOptions.MaxWeightBytes"/> leaves no room for another one. A request for
    /// it then waits until it is loaded again.
    /// </summary>
    public bool MayUnload { get; set; }

    internal List<(FfnSpec Spec, IFfnWeightSource Weights)> MadeByCode { get; } = [];

    /// <summary>Whether both give the same layers. What lies in files is not compared.</summary>
    internal bool IsSameSource(FfnModelOptions other) =>
        (Path, Layers, Tower, Weight, MayUnload) == (other.Path, other.Layers, other.Tower, other.Weight, other.MayUnload)
        && MadeByCode.SequenceEqual(other.MadeByCode);
}
