using System.Collections.Immutable;
using System.Globalization;

namespace NativeFfn.Checkpoints.Families;

/// <summary>Which of the outputs that a tensor has are a projection's own.</summary>
internal enum ProjectionPart
{
    /// <summary>All of them.</summary>
    Whole,

    /// <summary>The first half; another projection has the second.</summary>
    FirstHalf,

    /// <summary>The second half.</summary>
    SecondHalf,

    /// <summary>Those of even index, from 0.</summary>
    Even,

    /// <summary>Those of odd index.</summary>
    Odd,
}

/// <summary>Where a tensor of a layer lies.</summary>
/// <param name="Name">The name of the tensor in the file, after the layer's path.</param>
/// <param name="Shape">The shape that it must have there.</param>
/// <param name="First">
/// The first row that is meant, of all dimensions but the last taken together; the first element where there is a
/// <paramref name="ColumnStep"/>.
/// </param>
/// <param name="RowStep">From a row to the next: rows, or elements where there is a <paramref name="ColumnStep"/>.</param>
/// <param name="ColumnStep">Elements from a column to the next; 0 where rows lie in the file as they are.</param>
internal readonly record struct StoredTensor(
    string Name, ImmutableArray<long> Shape, long First = 0, long RowStep = 1, long ColumnStep = 0);

/// <summary>A projection in a checkpoint.</summary>
/// <param name="Name">
/// Its tensors' name after the layer's path, without <see cref="WeightEnding"/>; <c>{0}</c> in it is an expert's index.
/// </param>
/// <param name="Part">Which of the tensor's outputs are the projection's.</param>
internal sealed record StoredProjection(string Name, ProjectionPart Part = ProjectionPart.Whole)
{
    /// <summary>
    /// Whether the matrix is stored <c>[in, out]</c>, as GPT-2's <c>Conv1D</c> has it, and not <c>[out, in]</c>, as <c>nn.Linear</c> does.
    /// </summary>
    public bool IsTransposed { get; init; }

    /// <summary>Whether one tensor has the matrices of all experts, <c>[experts, ...]</c>.</summary>
    public bool IsStack { get; init; }

    /// <summary>Whether a stack has two dimensions, one expert's rows after another's.</summary>
    public bool IsFlat { get; init; }

    /// <summary>How the matrix's name ends.</summary>
    public string WeightEnding { get; init; } = ".weight";

    /// <summary>How the bias's name ends, whether there is one or not.</summary>
    public string BiasEnding { get; init; } = ".bias";

    /// <summary>A stack as transformers writes it: no module's <c>.weight</c>.</summary>
    public static StoredProjection Stack(string name, ProjectionPart part = ProjectionPart.Whole) =>
        new(name, part) { IsStack = true, WeightEnding = "", BiasEnding = "_bias" };

    /// <summary>The name of the matrix.</summary>
    public string WeightName(int expert = FfnTensor.NoExpert) => NameOf(expert) + WeightEnding;

    /// <summary>The name of the bias, whether there is one or not.</summary>
    public string BiasName(int expert = FfnTensor.NoExpert) => NameOf(expert) + BiasEnding;

    /// <summary>Where the projection's matrix or bias lies.</summary>
    /// <param name="wanted">The matrix or bias.</param>
    /// <param name="experts">How many experts a stack has.</param>
    public StoredTensor Place(FfnTensor wanted, int experts)
    {
        long length = wanted.IsVector ? wanted.Columns : wanted.Rows;
        long stored = Part == ProjectionPart.Whole ? length : 2 * length;
        long first = Part == ProjectionPart.SecondHalf ? length : Part == ProjectionPart.Odd ? 1 : 0;
        long step = Part is ProjectionPart.Even or ProjectionPart.Odd ? 2 : 1;
        long expert = IsStack ? wanted.Expert : 0;
        if (wanted.IsVector)
        {
            ImmutableArray<long> vector = IsStack && !IsFlat ? [experts, stored] : [IsStack ? experts * stored : stored];
            return stored == length && !IsFlat
                ? new StoredTensor(BiasName(wanted.Expert), vector, expert)
                : new StoredTensor(BiasName(wanted.Expert), vector, (expert * stored) + first, ColumnStep: step);
        }

        long rows = IsTransposed ? wanted.Columns : stored;
        long columns = IsTransposed ? stored : wanted.Columns;
        ImmutableArray<long> shape = !IsStack ? [rows, columns] : IsFlat ? [experts * rows, columns] : [experts, rows, columns];
        string name = WeightName(wanted.Expert);
        return IsTransposed
            ? new StoredTensor(name, shape, (expert * rows * columns) + first, step, stored)
            : new StoredTensor(name, shape, (expert * rows) + first, step);
    }

    private string NameOf(int expert) =>
        expert < 0 ? Name : Name.Replace("{0}", expert.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
}

/// <summary>The projections of one feed-forward network.</summary>
/// <param name="Gate">The activated projection of a gated network; null in a plain one.</param>
/// <param name="Up">The linear projection of a gated network, the activated one of a plain network.</param>
/// <param name="Down">The projection back to d_model.</param>
internal sealed record StoredProjections(StoredProjection? Gate, StoredProjection Up, StoredProjection Down)
{
    /// <summary>Every projection there is.</summary>
    public IEnumerable<StoredProjection> All => Gate is null ? [Up, Down] : [Gate, Up, Down];

    /// <summary>Whether gate and up are parts of one tensor.</summary>
    public bool IsFused => Gate is not null && Gate.Name == Up.Name;

    /// <summary>A gated network by the names that most families have kept from LLaMA.</summary>
    /// <param name="path">The network's path, ending in a dot.</param>
    public static StoredProjections Llama(string path) => Gated(path, "gate_proj", "up_proj", "down_proj");

    /// <summary>A gated network of three matrices.</summary>
    public static StoredProjections Gated(string path, string gate, string up, string down) =>
        new(new(path + gate), new(path + up), new(path + down));

    /// <summary>A gated network whose gate and up are one matrix, the gate's rows first.</summary>
    public static StoredProjections Fused(string path, string gateAndUp, string down) => new(
        new(path + gateAndUp, ProjectionPart.FirstHalf), new(path + gateAndUp, ProjectionPart.SecondHalf), new(path + down));

    /// <summary>A network without a gate.</summary>
    public static StoredProjections Plain(string path, string up, string down) => new(null, new(path + up), new(path + down));

    /// <summary>All experts in two tensors: gate and up in one, <c>[experts, 2 · d_ff, d_model]</c>, the gates first, and down.</summary>
    public static StoredProjections Stacked(string gateAndUp, string down) => new(
        StoredProjection.Stack(gateAndUp, ProjectionPart.FirstHalf), StoredProjection.Stack(gateAndUp, ProjectionPart.SecondHalf),
        StoredProjection.Stack(down));

    /// <summary>The same projections with every one changed.</summary>
    public StoredProjections With(Func<StoredProjection, StoredProjection> change) =>
        new(Gate is null ? null : change(Gate), change(Up), change(Down));

    /// <summary>The same projections stored <c>[in, out]</c>.</summary>
    public StoredProjections Transposed() => With(static projection => projection with { IsTransposed = true });

    /// <summary>The same projections, stacked or not, in tensors that are a module's <c>.weight</c> and <c>.bias</c>.</summary>
    public StoredProjections OfModules() => With(static projection => projection with { WeightEnding = ".weight", BiasEnding = ".bias" });

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
