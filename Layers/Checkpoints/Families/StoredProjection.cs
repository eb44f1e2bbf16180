using System.Collections.Immutable;
using System.Globalization;

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
/// <param name="Name">Its tensors' name after the layer's path, without <see cref="WeightEnding"/>; <c>{0}</c> in it is an expert's index.</param>
/// <param name="Layout">How the matrix lies there.</param>
internal sealed record StoredProjection(string Name, ProjectionLayout Layout = ProjectionLayout.OutIn)
{
    /// <summary>Whether one tensor has the matrices of all experts, <c>[experts, ...]</c>.</summary>
    public bool IsStack { get; init; }

    /// <summary>How the matrix's name ends.</summary>
    public string WeightEnding { get; init; } = ".weight";

    /// <summary>How the bias's name ends, whether there is one or not.</summary>
    public string BiasEnding { get; init; } = ".bias";

    /// <summary>A stack as transformers writes it: no module's <c>.weight</c>.</summary>
    public static StoredProjection Stack(string name, ProjectionLayout layout) => new(name, layout) { IsStack = true, WeightEnding = "", BiasEnding = "_bias" };

    /// <summary>The name of the matrix.</summary>
    public string WeightName(int expert = FfnTensor.NoExpert) => NameOf(expert) + WeightEnding;

    /// <summary>The name of the bias, whether there is one or not.</summary>
    public string BiasName(int expert = FfnTensor.NoExpert) => NameOf(expert) + BiasEnding;

    /// <summary>Where the projection's matrix or bias lies.</summary>
    /// <param name="wanted">The matrix or bias.</param>
    /// <param name="experts">How many experts a stack has.</param>
    public StoredTensor Place(FfnTensor wanted, int experts)
    {
        int parts = Layout is ProjectionLayout.FirstHalf or ProjectionLayout.SecondHalf ? 2 : 1;
        bool transposed = Layout == ProjectionLayout.InOut && !wanted.IsVector;
        long length = wanted.IsVector ? wanted.Columns : wanted.Rows;
        long first = Layout == ProjectionLayout.SecondHalf ? length : 0;
        ImmutableArray<long> shape = wanted.IsVector ? [length * parts]
            : transposed ? [wanted.Columns, wanted.Rows]
            : [length * parts, wanted.Columns];
        if (IsStack)
        {
            first += wanted.Expert * parts * length;
            shape = [experts, .. shape];
        }

        return new StoredTensor(wanted.IsVector ? BiasName(wanted.Expert) : WeightName(wanted.Expert), shape, first, transposed);
    }

    private string NameOf(int expert) => expert < 0 ? Name : Name.Replace("{0}", expert.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
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
    /// <param name="wanted">The matrix or bias.</param>
    /// <param name="experts">How many experts a stack has.</param>
    public StoredTensor Place(FfnTensor wanted, int experts = 0)
    {
        StoredProjection projection = wanted switch
        {
            { Stage: 1 } => Down,
            { Role: FfnTensorRole.UpWeight or FfnTensorRole.UpBias } => Up,
            _ => Gate ?? Up,
        };
        return projection.Place(wanted, experts);
    }
}
