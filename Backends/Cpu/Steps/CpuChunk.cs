using System.Diagnostics;
using NativeFfn.Backends.Cpu.Panels;

namespace NativeFfn.Backends.Cpu.Steps;

/// <summary>Some tokens of a forward with all that a step needs to run on them.</summary>
internal struct CpuChunk
{
    public CpuWeights Weights;
    public CpuScratch Scratch;
    public CpuProducts Products;
    public FfnTrace? Trace;
    public FfnProfile? Profile;
    public bool IsBlock;

    /// <summary>Whether the panel kernels multiply, and not a library.</summary>
    public bool UsesPanels;

    public int FirstToken;
    public int Tokens;
    public TokenGroups Groups;
    public Matrix Input;
    public Matrix Residual;
    public Matrix Output;

    public readonly bool HasPreNorm => IsBlock && Weights.Spec.PreNorm is not null;

    public readonly bool HasBranchNorm => IsBlock && Weights.Spec.BranchNorm is not null;

    /// <summary>The start of a step's time, where somebody wants to know it.</summary>
    public readonly long Now() => Profile is null ? 0 : Stopwatch.GetTimestamp();

    /// <summary>Adds the time since then.</summary>
    public readonly void Add(FfnStep step, long start) => Profile?.Add(step, Stopwatch.GetTimestamp() - start);
}
