using System.Collections.Immutable;
using NativeFfn.Backends.Encodings;
using NativeFfn.Checkpoints.Files;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>A module with a quantised matrix: its stored parts by their endings.</summary>
/// <param name="Path">The module's path, such as <c>model.layers.0.mlp.up_proj</c>.</param>
/// <param name="Name">The name under which its matrix is shown.</param>
/// <param name="Stored">The stored tensor of a name, or null.</param>
/// <param name="Checkpoint">The checkpoint's file or index.</param>
internal sealed record QuantisedModule(string Path, string Name, Func<string, TensorPiece?> Stored, string Checkpoint)
{
    /// <summary>A part, or null where there is none.</summary>
    public TensorPiece? Find(string ending) => Stored(Path + ending);

    /// <summary>A part that must be there.</summary>
    public TensorPiece Get(string ending) => Find(ending) ?? throw new CheckpointException(
        $"{Checkpoint}: has no tensor {CheckpointText.Quote(Path + ending)}, a part of the quantised {CheckpointText.Quote(Name)}. " +
        "Is the checkpoint complete?");

    /// <summary>The matrix that is shown.</summary>
    /// <param name="codes">The part that has its codes.</param>
    /// <param name="shape">The shape that the matrix has, <c>[rows, columns]</c> or <c>[experts, rows, columns]</c>.</param>
    /// <param name="encoding">What its rows are.</param>
    /// <param name="parts">What its rows are made of.</param>
    public QuantisedTensor Tensor(
        TensorPiece codes, ImmutableArray<long> shape, WeightEncoding encoding, params ImmutableArray<RowPart> parts)
    {
        try
        {
            long bytes = checked(TensorEntry.Product(shape.AsSpan()[..^1]) * encoding.RowBytes(checked((int)shape[^1])));
            return new QuantisedTensor(codes.Path, new TensorEntry(Name, encoding.Name, encoding, shape, 0, bytes), parts);
        }
        catch (OverflowException)
        {
            throw codes.Wrong($"stands for a matrix of {CheckpointText.Shape(shape.AsSpan())}, whose size passes 64 bits");
        }
    }
}
