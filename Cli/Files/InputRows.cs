using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Files;

namespace NativeFfn.Cli.Files;

/// <summary>The rows of an input file: tensor <c>input</c>, F32 <c>[tokens, d_model]</c>.</summary>
/// <param name="Values">Row-major elements.</param>
/// <param name="Tokens">Rows.</param>
internal sealed record InputRows(float[] Values, int Tokens)
{
    private const string TensorName = "input";

    /// <summary>Reads the rows for a layer.</summary>
    /// <param name="path">A tensor file, or a pipe that one comes through.</param>
    /// <param name="spec">The layer, whose input width the rows must have and whose output rows must fit an array.</param>
    public static InputRows Read(string path, FfnSpec spec)
    {
        using ITensorFile file = TensorFiles.OpenInput(path);
        TensorEntry tensor = file.Find(TensorName);
        string described = $"'{TensorName}' in '{path}' is {tensor.Type} [{string.Join(", ", tensor.Shape)}]";
        if (tensor.Type != "F32")
        {
            throw new CheckpointException($"{described}, but must be F32; convert it.");
        }

        if (tensor.Shape is not [long tokens, long width])
        {
            throw new CheckpointException($"{described}, but must have two dimensions, [tokens, {spec.InputWidth}].");
        }

        if (width != spec.InputWidth)
        {
            throw new CheckpointException($"{described}, but this layer ({spec}) takes rows of {spec.InputWidth}.");
        }

        long maxTokens = Array.MaxLength / Math.Max(spec.InputWidth, spec.OutputWidth);
        if (tokens > maxTokens)
        {
            throw new CheckpointException($"{described}: more rows than the {maxTokens} that one forward of this layer can take; split it.");
        }

        var values = new float[tokens * width];
        StoredRows.Of(file, tensor).ReadFloats(0, values);
        return new InputRows(values, (int)tokens);
    }
}
