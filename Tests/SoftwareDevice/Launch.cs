using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>What kind of work was put on a stream.</summary>
internal enum LaunchKind
{
    Kernel,
    Matmul,
    CopyToDevice,
    CopyToHost,
    CopyOnDevice,
    Fill,
    Graph,
    Collective,
}

/// <summary>The product of a launch: D[m, n] = epilogue(op(A) · op(B) + beta · C), column-major as cuBLASLt has it.</summary>
internal sealed record MatmulLaunch
{
    /// <summary>Rows of D: the outputs of a layer.</summary>
    public required int M { get; init; }

    /// <summary>Columns of D: tokens.</summary>
    public required int N { get; init; }

    /// <summary>The inner dimension.</summary>
    public required int K { get; init; }

    public required NumberFormat Operand { get; init; }

    public required NumberFormat Output { get; init; }

    /// <summary>cublasComputeType_t.</summary>
    public required int Compute { get; init; }

    /// <summary>cublasLtEpilogue_t.</summary>
    public required int Epilogue { get; init; }

    public float Beta { get; init; }

    /// <summary>Which of the heuristic's algorithms.</summary>
    public int Algorithm { get; init; }

    public long WorkspaceBytes { get; init; }
}

/// <summary>One piece of work on a stream.</summary>
/// <param name="Stream">CUstream.</param>
/// <param name="Kind">What kind.</param>
/// <param name="Name">The kernel's name, or the kind's.</param>
/// <param name="Captured">Whether it went into a graph in the place of running.</param>
internal sealed record Launch(nint Stream, LaunchKind Kind, string Name, bool Captured = false)
{
    private const double LaunchMilliseconds = 0.005;
    private const double MillisecondsPerByte = 1e-9;
    private const double MillisecondsPerProduct = 1e-9;
    private const double MillisecondsPerBlock = 1e-5;

    public int GridX { get; init; }

    public int GridY { get; init; }

    /// <summary>Bytes that a copy, a fill or a collective moves.</summary>
    public long Bytes { get; init; }

    public MatmulLaunch? Matmul { get; init; }

    /// <summary>Launches of a graph.</summary>
    public IReadOnlyList<Launch> Nodes { get; init; } = [];

    /// <summary>A plausible duration: later algorithms of a product are slower by a tenth each.</summary>
    public double DefaultMilliseconds => LaunchMilliseconds + (Bytes * MillisecondsPerByte) + ((double)GridX * GridY * MillisecondsPerBlock)
        + (Matmul is null ? 0 : (double)Matmul.M * Matmul.N * Matmul.K * MillisecondsPerProduct * (1 + (0.1 * Matmul.Algorithm)));
}
