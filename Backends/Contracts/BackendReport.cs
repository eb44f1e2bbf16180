using System.Collections.Immutable;
using System.Text;

namespace NativeFfn;

/// <summary>The backends that configuration can ask for.</summary>
public enum BackendKind
{
    /// <summary>The best that is available: cuBLAS, then a CBLAS library that is named, then MKL, then managed.</summary>
    Auto,

    /// <summary>Intel MKL on the CPU.</summary>
    Mkl,

    /// <summary>C# with hardware vectors; always available.</summary>
    Managed,

    /// <summary>cuBLAS on an NVIDIA GPU.</summary>
    CuBlas,

    /// <summary>float64 by the formulas on one thread, for comparing with; always available in f32, slow, and used only where it is named.</summary>
    Reference,

    /// <summary>A CBLAS library on the CPU, such as OpenBLAS or BLIS; <see cref="Auto"/> takes it where one is named.</summary>
    Cblas,
}

/// <summary>Who a backend is.</summary>
/// <param name="Kind">The backend.</param>
/// <param name="Version">What computes: a library's version or the vector instructions in use.</param>
/// <param name="Path">The native library's file, or null where there is none.</param>
/// <param name="Threads">Threads that one forward may use at a time, the caller's included.</param>
public sealed record BackendDescription(BackendKind Kind, string Version, string? Path, int Threads)
{
    /// <summary>The backend's name as configuration spells it.</summary>
    public string Name => Names<BackendKind>.Of(Kind);

    /// <summary>Times that a mode is run before later forwards find everything in place: 1 where the first run makes all of it.</summary>
    public int WarmupRuns { get; init; } = 1;

    /// <summary>Forwards of one thread that run beside each other unhindered: the processors this process may use, and 1 on a GPU.</summary>
    public int ConcurrentForwards { get; init; } = 1;

    /// <summary>Whether a row keeps its bits whatever rows run beside it and however many, in dense layers and in mixtures.</summary>
    public bool RowsAreIndependent { get; init; }

    /// <summary>How it uses the machine's NUMA nodes; null where it does not compute on the CPU's threads.</summary>
    public NumaReport? Numa { get; init; }

    /// <summary>Finds out what multiplies in each precision on the CPU, which may assemble code; null on a device.</summary>
    internal Func<ImmutableArray<KernelDescription>>? DescribeKernels { get; init; }

    /// <summary>Whether it runs a part of a mixture's experts, and lets other ranks decide on routes.</summary>
    internal bool RunsPartsOfMixtures { get; init; }

    /// <summary>The GPU whose memory it computes in, by CUDA's number; null where that is the host's.</summary>
    internal int? Device { get; init; }

    /// <summary>The kernel that leaves no product to another backend's; <see cref="CpuKernel.Auto"/> where there is no such choice.</summary>
    public CpuKernel OwnKernel { get; init; }
}

/// <summary>What became of one backend when one was chosen.</summary>
/// <param name="Kind">The backend.</param>
/// <param name="Description">Who it is, or null where it is unavailable.</param>
/// <param name="Reason">Why it is unavailable, with every path that was tried and the remedy; null where it is available.</param>
public sealed record BackendCandidate(BackendKind Kind, BackendDescription? Description, string? Reason)
{
    /// <summary>Whether it can be used here.</summary>
    public bool Available => Description is not null;

    /// <summary>Whether <see cref="BackendKind.Auto"/> may choose it: not the reference, nor a CBLAS library that nobody named.</summary>
    public bool IsAutomatic { get; init; } = true;
}

/// <summary>What was asked for, what was chosen, and why every better candidate was passed over.</summary>
/// <param name="Requested">The backend that the options named.</param>
/// <param name="Chosen">The backend in use.</param>
/// <param name="Candidates">The backends that were tried, in order, the chosen one last.</param>
public sealed record BackendSelection(BackendKind Requested, BackendDescription Chosen, ImmutableArray<BackendCandidate> Candidates)
{
    /// <summary>One line for each candidate.</summary>
    public override string ToString()
    {
        var text = new StringBuilder().Append("requested ").Append(Names<BackendKind>.Of(Requested)).Append(", using ").Append(Chosen.Name);
        foreach (BackendCandidate candidate in Candidates)
        {
            text.AppendLine().Append("  ").Append(Names<BackendKind>.Of(candidate.Kind)).Append(": ")
                .Append(candidate.Reason ?? candidate.Description!.Version);
        }

        if (Chosen.Numa is { Reason: null } numa)
        {
            text.AppendLine().Append("  NUMA: ").Append(numa);
        }

        return text.ToString();
    }
}

/// <summary>A backend was asked for that cannot be used here.</summary>
public sealed class BackendUnavailableException : InvalidOperationException
{
    /// <summary>Names the backend and the reason.</summary>
    /// <param name="kind">The backend asked for.</param>
    /// <param name="reason">Why it cannot be used, with the remedy.</param>
    /// <param name="inner">The cause, where there is one.</param>
    public BackendUnavailableException(BackendKind kind, string reason, Exception? inner = null)
        : base($"Backend '{Names<BackendKind>.Of(kind)}' is not available: {reason}", inner)
    {
        Kind = kind;
        Reason = reason;
    }

    /// <summary>The backend asked for.</summary>
    public BackendKind Kind { get; }

    /// <summary>Why it cannot be used, with the remedy.</summary>
    public string Reason { get; }
}
