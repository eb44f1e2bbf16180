namespace NativeFfn.Checkpoints.Families;

/// <summary>A family of models: what its configurations and tensor names mean.</summary>
/// <param name="ModelType">The configuration's <c>model_type</c>.</param>
/// <param name="Read">Makes a layout of a configuration; looks at tensor names only where the configuration leaves something open.</param>
internal sealed record FfnFamily(string ModelType, Func<CheckpointConfig, CheckpointTensors, FamilyLayout> Read)
{
    /// <summary>A family whose configuration says it all.</summary>
    public FfnFamily(string modelType, Func<CheckpointConfig, FamilyLayout> read)
        : this(modelType, (config, _) => read(config))
    {
    }

    /// <summary>A layer whose dimensions come from a configuration; what a spec cannot hold is refused in the file's name.</summary>
    public static FfnSpec Spec(CheckpointConfig config, FfnKind kind, int dModel, int dFf, bool bias)
    {
        try
        {
            return FfnSpec.Create(kind, dModel, dFf, bias);
        }
        catch (ArgumentOutOfRangeException problem)
        {
            throw new CheckpointException(
                $"{config.Path}: asks for matrices of {dFf} x {dModel} elements; the limit is {FfnSpec.MaxMatrixElements} in all.", problem);
        }
    }
}
