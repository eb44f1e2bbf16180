using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>How a projection's matrix lies in its tensor.</summary>
internal enum ProjectionLayout
{
    /// <summary>The whole tensor, <c>[out, in]</c>, as <c>nn.Linear</c> has it.</summary>
    OutIn,

    /// <summary>The whole tensor, <c>[in, out]</c>, as GPT-2's <c>Conv1D</c> has it.</summary>
    InOut,

    /// <summary>The first half of the rows of <c>[2 · out, in]</c>.</summary>
    FirstHalf,

    /// <summary>The second half of the rows of <c>[2 · out, in]</c>.</summary>
    SecondHalf,
}

/// <summary>Where a tensor of a layer lies.</summary>
/// <param name="Name">The name of the tensor in the file, after the layer's path.</param>
/// <param name="Shape">The shape that it must have there.</param>
/// <param name="First">The first row that is meant, of all dimensions but the last taken together; of a vector the first element.</param>
/// <param name="Transposed">Whether the file has <c>[in, out]</c>.</param>
internal readonly record struct StoredTensor(string Name, ImmutableArray<long> Shape, long First = 0, bool Transposed = false);

/// <summary>A projection in a checkpoint.</summary>
/// <param name="Name">Its tensors' name after the layer's path, without <c>.weight</c> or <c>.bias</c>.</param>
/// <param name="Layout">How the matrix lies there.</param>
internal sealed record StoredProjection(string Name, ProjectionLayout Layout = ProjectionLayout.OutIn)
{
    /// <summary>Which of how many, where one tensor has the matrices of all experts, <c>[experts, ...]</c>; such tensors are no module's <c>.weight</c>.</summary>
    public (int Index, int Count)? OfStack { get; init; }

    /// <summary>The name of the matrix.</summary>
    public string WeightName => OfStack is null ? Name + ".weight" : Name;

    /// <summary>The name of the bias, whether there is one or not.</summary>
    public string BiasName => OfStack is null ? Name + ".bias" : Name + "_bias";

    /// <summary>Where the projection's matrix or bias lies.</summary>
    public StoredTensor Place(FfnTensor wanted)
    {
        int parts = Layout is ProjectionLayout.FirstHalf or ProjectionLayout.SecondHalf ? 2 : 1;
        bool transposed = Layout == ProjectionLayout.InOut && !wanted.IsVector;
        long length = wanted.IsVector ? wanted.Columns : wanted.Rows;
        long first = Layout == ProjectionLayout.SecondHalf ? length : 0;
        ImmutableArray<long> shape = wanted.IsVector ? [(long)wanted.Columns * parts]
            : transposed ? [wanted.Columns, wanted.Rows]
            : [(long)wanted.Rows * parts, wanted.Columns];
        if (OfStack is (int index, int count))
        {
            first += index * parts * length;
            shape = [count, .. shape];
        }

        return new StoredTensor(wanted.IsVector ? BiasName : WeightName, shape, first, transposed);
    }
}

/// <summary>The projections of one feed-forward network.</summary>
/// <param name="Gate">The activated projection of a gated network; null in a plain one.</param>
/// <param name="Up">The linear projection of a gated network, the activated one of a plain network.</param>
/// <param name="Down">The projection back to d_model.</param>
internal sealed record StoredProjections(StoredProjection? Gate, StoredProjection Up, StoredProjection Down)
{
    /// <summary>Every projection there is.</summary>
    public IEnumerable<StoredProjection> All => Gate is null ? [Up, Down] : [Gate, Up, Down];

    /// <summary>A gated network by the names that most families have kept from LLaMA.</summary>
    /// <param name="path">The network's path, ending in a dot.</param>
    public static StoredProjections Llama(string path) => new(new(path + "gate_proj"), new(path + "up_proj"), new(path + "down_proj"));

    /// <summary>Where a matrix or bias of the network lies.</summary>
    public StoredTensor Place(FfnTensor wanted)
    {
        StoredProjection projection = wanted switch
        {
            { Stage: 1 } => Down,
            { Role: FfnTensorRole.UpWeight or FfnTensorRole.UpBias } => Up,
            _ => Gate ?? Up,
        };
        return projection.Place(wanted);
    }
}
