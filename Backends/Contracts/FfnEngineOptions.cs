using NativeFfn.Backends;

namespace NativeFfn;

/// <summary>How an engine is opened, from the application down to the backend. Immutable.</summary>
/// <remarks><see cref="FfnEngineOption"/> describes each option once, for configuration, the command line and the documentation.</remarks>
public sealed record FfnEngineOptions
{
    /// <summary>The most threads an engine may be given: a bound against a mistyped number.</summary>
    public const int MaxThreads = 1024;

    /// <summary>More GPUs than a machine has: a bound against a mistyped number.</summary>
    public const int MaxDevice = 1023;

    // The sixteenth part of what ranks send is all that is left to wait for then.
    internal const int MaxParallelChunks = 16;

    /// <summary>
    /// Multiply-adds that may be worth handing to a thread that is awake: 256 KB of weights read for one token, some 3 µs from a cache and
    /// ten times what handing it over costs. Whether they are worth it here and now, each layer learns.
    /// </summary>
    private const long DefaultMinimumSliceWork = 64 * 1024;

    /// <summary>
    /// The backend. <see cref="BackendKind.Auto"/> takes the best that is available; any other is used or refused with the reason, never
    /// replaced by another.
    /// </summary>
    public BackendKind Backend { get; init; } = BackendKind.Auto;

    /// <summary>
    /// Threads that one forward uses at most, the caller's included; 0 (the default) means the processors this process may use, which honours
    /// affinity and a container's quota. A forward has no more of them than its work is worth, other callers leave idle, and make it faster.
    /// </summary>
    public int Threads { get; init; }

    /// <summary>
    /// On which processors threads run, and in whose memory weights lie, on a machine of several NUMA nodes: <c>auto</c> (the default) takes
    /// the nodes that this process may use, <c>off</c> none, and lists such as <c>0-15/16-31</c> the processors of each. Bits do not depend
    /// on it. Linux and the CPU's backends only.
    /// </summary>
    public string Numa { get; init; } = NumaSetting.AutoName;

    /// <summary>The file or folder of <c>libmkl_rt</c> to use and no other; null (the default) looks in the usual places.</summary>
    public string? MklPath { get; init; }

    /// <summary>
    /// The file or folder of the CBLAS library to use and no other, such as OpenBLAS or BLIS with 32-bit integers; null (the default) looks in
    /// the usual places where <see cref="BackendKind.Cblas"/> is asked for.
    /// </summary>
    public string? CblasPath { get; init; }

    /// <summary>
    /// Which product multiplies. <see cref="CpuKernel.Auto"/> (the default) measures once for each shape, when a layer is made, and keeps
    /// the result in the user's cache folder; the managed backend has only the panel kernels.
    /// </summary>
    public CpuKernel Kernel { get; init; } = CpuKernel.Auto;

    /// <summary>
    /// How matrices are kept in memory, of which there is one copy; <see cref="FfnPrecision.Auto"/> (the default) takes float32 for floats and
    /// what is stored for a quantised checkpoint. Weights given in another type are converted when a layer is made.
    /// </summary>
    public FfnPrecision Precision { get; init; } = FfnPrecision.Auto;

    /// <summary>
    /// How many experts of a mixture are kept in memory at a time, for checkpoints larger than memory; 0 (the default) means all, read when
    /// the layer is made. With a bound, an expert is read when a token is first sent to it, in place of the one that was used longest ago,
    /// and the weights' source (an open checkpoint) must stay readable for as long as the layer is used.
    /// </summary>
    public int MaxResidentExperts { get; init; }

    /// <summary>
    /// The folder of <c>libcublasLt</c> and <c>libnvrtc</c> to use and no other; null (the default) looks in the usual places. cuBLAS only.
    /// </summary>
    public string? CudaPath { get; init; }

    /// <summary>
    /// The GPU to use, by the number that CUDA gives it, from 0 (the default); of a job's ranks on one machine that see several GPUs, the
    /// first one's, and the others take those that follow. cuBLAS only.
    /// </summary>
    public int Device { get; init; }

    /// <summary>
    /// A <c>CUcontext</c> of the application's to work in, which must outlive the engine; 0 (the default) for the primary context of
    /// <see cref="Device"/>, which the CUDA runtime and most libraries share. cuBLAS only.
    /// </summary>
    public nint CudaContext { get; init; }

    /// <summary>
    /// Whether <c>FfnLayer.Warmup</c> times the algorithms that cuBLASLt proposes and keeps the fastest, in the user's cache folder
    /// too. It takes a moment for each token count, and gives other bits than the first proposal. cuBLAS only.
    /// </summary>
    public bool Autotune { get; init; }

    /// <summary>
    /// How layers are cut over the ranks of an MPI job: <c>auto</c>, or <c>tensor=T,expert=E</c> with T · E ranks; null (the default) cuts
    /// nothing. Every rank makes the same engine and the same layers in the same order; rank 0 calls forwards, and the others call
    /// <c>FfnEngine.Follow</c>. A job of one rank runs whole layers.
    /// </summary>
    public string? Parallel { get; init; }

    /// <summary>Seconds that a rank waits for others in a forward before the group has failed.</summary>
    public int ParallelSeconds { get; init; } = 60;

    /// <summary>
    /// Chunks of tokens that a forward over ranks goes in, so that one is computed while rows and sums of others are under way; 0 (the default)
    /// takes as many as a layer's first forwards of a size find fastest, often 1, where no bit can depend on it (two ranks whose rows are
    /// independent, as on <c>managed</c>), and else 1. On the CPU; mixtures go whole. Low bits may depend on a number that is given.
    /// </summary>
    public int ParallelChunks { get; init; }

    /// <summary>The file or folder of the MPI library to use and no other; null (the default) looks in the usual places.</summary>
    public string? MpiPath { get; init; }

    /// <summary>
    /// What rows go between ranks by. <see cref="CollectiveKind.Auto"/> (the default) takes NCCL where every rank computes on a GPU of its
    /// own and has it, and says in the engine's description why not; any other is used or refused with the reason.
    /// </summary>
    public CollectiveKind Collective { get; init; }

    /// <summary>The file or folder of the NCCL library to use and no other; null (the default) looks in the usual places.</summary>
    public string? NcclPath { get; init; }

    /// <summary>The ranks; null takes those of the MPI job. Tests give ranks of one process.</summary>
    internal CollectiveSource? Ranks { get; init; }

    /// <summary>This process's number among the ranks of its machine, from 0.</summary>
    internal int LocalRank { get; init; }

    /// <summary>The most tokens for the decode kernels of a GPU; null measures it. Tests set it.</summary>
    internal int? DecodeTokens { get; init; }

    /// <summary>The system's answers on NUMA nodes; null asks the system. Tests give a machine of their own.</summary>
    internal NumaSource? NumaSystem { get; init; }

    /// <summary>CUDA's libraries; null looks for the real ones. Tests give a device of their own.</summary>
    internal DeviceSource? Cuda { get; init; }

    /// <summary>Multiply-adds of a slice at least; tests lower it, so that layers of any size are cut.</summary>
    internal long MinimumSliceWork { get; init; } = DefaultMinimumSliceWork;

    /// <summary>These options with the number of threads that 0 stands for.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    internal FfnEngineOptions Resolve()
    {
        foreach (FfnEngineOption option in FfnEngineOption.All)
        {
            if (!option.IsAllowed(this))
            {
                throw new ArgumentOutOfRangeException(option.Name, option.ValueOf(this), $"{option.Name} must be {option.Allowed}.");
            }
        }

        if (Threads > 0)
        {
            return this;
        }

        _ = NumaSetting.TryParse(Numa, out NumaSetting numa);
        int named = numa.Nodes.IsEmpty ? MaxThreads : numa.Nodes.Sum(static node => node.Length);
        return this with { Threads = Math.Min(Environment.ProcessorCount, Math.Min(named, MaxThreads)) };
    }
}

/// <summary>What rows go between ranks by.</summary>
public enum CollectiveKind
{
    /// <summary>NCCL where every rank has a GPU of its own, else MPI.</summary>
    Auto,

    /// <summary>MPI, through the host's memory.</summary>
    Mpi,

    /// <summary>NCCL, from GPU to GPU. MPI starts the ranks and carries what is not rows.</summary>
    Nccl,
}

/// <summary>Where an engine's ranks come from; the folder of collectives knows its own kinds.</summary>
internal abstract record CollectiveSource;

/// <summary>Where answers on NUMA nodes come from; the folder of the CPU knows its own kind.</summary>
internal abstract record NumaSource;

/// <summary>Where a device's libraries come from; each backend knows its own kind.</summary>
internal abstract record DeviceSource;
