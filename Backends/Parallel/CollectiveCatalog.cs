using NativeFfn.Bindings;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Mpi;
using NativeFfn.Bindings.Nccl;

namespace NativeFfn.Backends.Parallel;

/// <summary>Ranks that an engine is given, for tests.</summary>
/// <param name="Collective">This rank.</param>
internal sealed record GivenCollective(ICollective Collective) : CollectiveSource
{
    /// <summary>NCCL from somewhere else than this machine's; null for the real one.</summary>
    public NcclSource? Nccl { get; init; }
}

/// <summary>Every kind of ranks, and the choice among them.</summary>
internal static class CollectiveCatalog
{
    /// <summary>Joins the ranks that the options name: those that were given, or those of the MPI job. One rank alone needs no others.</summary>
    /// <param name="backend">What runs this rank's parts; owned by what is returned.</param>
    /// <param name="plan">How layers are cut.</param>
    /// <param name="options">The engine's options.</param>
    /// <exception cref="PlatformNotSupportedException">There is no usable MPI, or NCCL is asked for and cannot be used.</exception>
    public static IFfnBackend Join(IFfnBackend backend, ParallelPlan plan, FfnEngineOptions options)
    {
        var given = options.Ranks as GivenCollective;
        ICollective collective = given?.Collective ?? OpenMpi(options.MpiPath, TimeSpan.FromSeconds(options.ParallelSeconds));
        try
        {
            RequireRanks(plan, collective.Ranks);
            if (collective.Ranks > 1)
            {
                GroupChecks.RequireAlike(collective, "engine", Describe(backend, plan, options));
                collective = Choose(collective, backend.Description, options, given?.Nccl, out string? problem);
                return new ParallelBackend(backend, collective, plan, options.Precision, options.ParallelChunks, problem);
            }
        }
        catch
        {
            collective.Dispose();
            throw;
        }

        collective.Dispose();
        return backend;
    }

    /// <summary>NCCL's version and file, or why it cannot be used here, with every place where it was looked for.</summary>
    public static (string? Version, string? Path, string? Reason) ProbeNccl(FfnEngineOptions options)
    {
        try
        {
            var library = NcclLibrary.Load(options.NcclPath);
            return (library.Version, library.Path, null);
        }
        catch (Exception failure) when (failure is NativeLibraryException or NcclException)
        {
            return (null, null, failure.Message);
        }
    }

    /// <summary>The ranks of the MPI job; null where no launcher started this process with others.</summary>
    /// <param name="mpiPath">The MPI to use; null looks for it.</param>
    /// <param name="timeLimit">How long an operation waits for other ranks.</param>
    /// <exception cref="PlatformNotSupportedException">There is no usable MPI.</exception>
    public static ICollective? OpenJob(string? mpiPath, TimeSpan timeLimit) =>
        MpiSearch.LaunchedRanks is > 1 ? OpenMpi(mpiPath, timeLimit) : null;

    private static void RequireRanks(ParallelPlan plan, int ranks)
    {
        if (!plan.IsAuto && plan.Ranks != ranks)
        {
            throw new ArgumentException(
                $"The plan {plan} is for {plan.Ranks} ranks, and there are {ranks}. Start as many, or use the plan "
                + $"{ParallelPlan.AutoName}.");
        }
    }

    private static string Describe(IFfnBackend backend, ParallelPlan plan, FfnEngineOptions options) =>
        $"{backend.Description.Name}, precision {Names<FfnPrecision>.Of(options.Precision)}, plan {plan}"
        + (options.Collective == CollectiveKind.Auto ? string.Empty : $", collective {Names<CollectiveKind>.Of(options.Collective)}");

    // NCCL over the ranks where it is asked for, or can be used.
    private static ICollective Choose(
        ICollective ranks, BackendDescription backend, FfnEngineOptions options, NcclSource? source, out string? problem)
    {
        problem = null;
        NcclCollective? joined = null;
        if (options.Collective != CollectiveKind.Mpi && backend.Device is { } device)
        {
            source ??= new NcclSource(
                () => NcclLibrary.Load(options.NcclPath), () => CudaDriver.Start(CudaLoader.Driver(options.CudaPath)));
            joined = NcclCollective.TryJoin(ranks, device, options.CudaContext, source, out problem);
        }
        else if (options.Collective == CollectiveKind.Nccl)
        {
            problem = $"backend {backend.Name} computes in the host's memory. Use backend cublas.";
        }

        return joined is null && options.Collective == CollectiveKind.Nccl
            ? throw new PlatformNotSupportedException($"Rows cannot go between ranks by NCCL: {problem}")
            : joined ?? ranks;
    }

    private static MpiCollective OpenMpi(string? path, TimeSpan timeLimit)
    {
        try
        {
            return MpiCollective.Open(path, timeLimit);
        }
        catch (NativeLibraryException exception)
        {
            throw new PlatformNotSupportedException($"Layers cannot be cut over ranks: {exception.Message}", exception);
        }
    }
}
