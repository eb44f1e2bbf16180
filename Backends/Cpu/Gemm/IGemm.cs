using System.Collections.Immutable;
using NativeFfn.Backends.Cpu.Forward;
using NativeFfn.Backends.Cpu.Weights;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Cpu.Gemm;

/// <summary>The products that a network asks of a GEMM.</summary>
/// <param name="Encodings">How its matrices are kept, each encoding once.</param>
/// <param name="Kernel">What the options ask for.</param>
internal readonly record struct GemmProblem(ImmutableArray<WeightEncoding> Encodings, CpuKernel Kernel);

/// <summary>A way to multiply: how it wants weights and tokens to lie, and the product with its epilogue. Without state, used by all threads.</summary>
internal interface IGemm
{
    /// <summary>The name that reports have for it.</summary>
    string Name { get; }

    /// <summary>How it wants weights to lie.</summary>
    IWeightLayout Layout { get; }

    /// <summary>Tokens that it multiplies at a time at most.</summary>
    int MostTokens { get; }

    /// <summary>Why it cannot multiply, or null where it can.</summary>
    string? WhyNot(in GemmProblem problem);

    /// <summary>Gives a group its places in a wave's memory: its rows before every stage.</summary>
    /// <param name="group">The group, whose network and tokens are set.</param>
    /// <param name="elements">Floats that the wave needs so far; grows by the group's.</param>
    void Place(ref TokenGroup group, ref long elements);

    /// <summary>Floats that a thread needs of its own to work on a group.</summary>
    long WorkerElements(in TokenGroup group);

    /// <summary>The cut of a group's input into rows for <see cref="Pack"/>; none where the stage reads the input where it lies.</summary>
    int PackRows(CpuChunk chunk, in TokenGroup group);

    /// <summary>Collects a group's input, normalized where the chunk says so, as the first stage reads it.</summary>
    void Pack(CpuChunk chunk, in TokenGroup group, Region region, int worker);

    /// <summary>Cuts a stage of a group into slices.</summary>
    /// <param name="group">The group.</param>
    /// <param name="stage">The stage.</param>
    /// <param name="wanted">Slices that the work is worth.</param>
    /// <param name="enough">Slices that make it unnecessary to cut rows as well, which has weights read by several threads.</param>
    /// <param name="alone">A slice for each thread that the group is worth by itself, for a GEMM whose bits depend on the cut.</param>
    Slicing Slice(in TokenGroup group, int stage, int wanted, int enough, int alone);

    /// <summary>Runs a region of a stage of a group, epilogue included unless <see cref="FinishHidden"/> follows.</summary>
    void Run(CpuChunk chunk, in TokenGroup group, int stage, Region region, int worker);

    /// <summary>The cut of a group's hidden rows for <see cref="FinishHidden"/>; none where they are finished already.</summary>
    int HiddenRows(in TokenGroup group);

    /// <summary>Finishes whole hidden rows after the first stage, whose projections are as they were multiplied.</summary>
    void FinishHidden(CpuChunk chunk, in TokenGroup group, Region region);
}

/// <summary>How the matrices of a network lie in memory.</summary>
internal unsafe interface IWeightLayout
{
    /// <summary>Floats that a stage's projections take.</summary>
    long Elements(StageWeights stage);

    /// <summary>The runs of a stage's memory, by offset and length in bytes, each of which holds rows from the first to the last.</summary>
    IEnumerable<(long Offset, long Bytes)> Runs(StageWeights stage);

    /// <summary>Reads a projection's matrix to its place.</summary>
    /// <param name="stage">The stage, whose memory is known.</param>
    /// <param name="projection">0 for the activated one, 1 for the up projection.</param>
    /// <param name="tensor">The matrix.</param>
    /// <param name="source">Where it comes from.</param>
    /// <param name="encoder">Reads its rows in the projection's encoding.</param>
    void Read(StageWeights stage, int projection, FfnTensor tensor, IFfnWeightSource source, RowEncoder encoder);
}
