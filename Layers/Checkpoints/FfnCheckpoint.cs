namespace NativeFfn.Checkpoints;

/// <summary>A Hugging Face checkpoint open for reading.</summary>
public sealed class FfnCheckpoint : IDisposable
{
    /// <summary>Path.</summary>
    public string Path => throw new NotImplementedException();

    /// <summary>The <c>model_type</c>.</summary>
    public string ModelType => throw new NotImplementedException();

    /// <summary>Layers.</summary>
    public int LayerCount => throw new NotImplementedException();

    /// <summary>Opens a directory or a file.</summary>
    public static FfnCheckpoint Open(string path) => throw new NotImplementedException();

    /// <summary>Finds a layer.</summary>
    public FfnCheckpointLayer GetLayer(int layer) => throw new NotImplementedException();

    /// <inheritdoc/>
    public void Dispose() => throw new NotImplementedException();
}

/// <summary>A layer found.</summary>
/// <param name="Index">From 0.</param>
/// <param name="Spec">Shape and formula.</param>
/// <param name="Weights">Its weights, readable while the checkpoint is open.</param>
/// <param name="WeightType">Element type of the matrices as stored: F32, BF16 or F16.</param>
public sealed record FfnCheckpointLayer(int Index, FfnSpec Spec, IFfnWeightSource Weights, string WeightType);
