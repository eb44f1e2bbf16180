namespace NativeFfn.Checkpoints;

/// <summary>What a configuration says of the layers of a checkpoint, and how they are found in its files.</summary>
internal interface ICheckpointLayout
{
    /// <summary>Layers in the model.</summary>
    int LayerCount { get; }

    /// <summary>Finds a layer's tensors and holds them against the configuration.</summary>
    /// <param name="tensors">The checkpoint's tensors.</param>
    /// <param name="layer">The layer, from 0 to below <see cref="LayerCount"/>.</param>
    /// <exception cref="CheckpointException">A tensor is missing, or is not what the configuration says.</exception>
    FfnCheckpointLayer Find(CheckpointTensors tensors, int layer);
}
