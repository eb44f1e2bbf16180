namespace NativeFfn.Checkpoints;

/// <summary>A part of a model that has layers of its own; which of them a checkpoint is opened for.</summary>
public enum CheckpointTower
{
    /// <summary>The text model of a model that sees or hears, or the only one that there is.</summary>
    Text,

    /// <summary>The model that sees.</summary>
    Vision,

    /// <summary>The model that hears.</summary>
    Audio,

    /// <summary>The encoder of a model that has a decoder too.</summary>
    Encoder,

    /// <summary>The decoder of a model that has an encoder too.</summary>
    Decoder,
}
