using NativeFfn.Bindings;
using NativeFfn.Bindings.Mpi;

namespace NativeFfn.Backends.Parallel;

/// <summary>Ranks that an engine is given, for tests.</summary>
/// <param name="Collective">This rank.</param>
internal sealed record GivenCollective(ICollective Collective) : CollectiveSource;

/// <summary>Every kind of ranks, and the choice among them.</summary>
internal static class CollectiveCatalog
{
    /// <summary>Joins the ranks that the options name: those that were given, or those of the MPI job. One rank alone needs no others.</summary>
    /// <param name="backend">What runs this rank's parts; owned by what is returned.</param>
    /// <param name="plan">How layers are cut.</param>
    /// <param name="options">The engine's options.</param>
    /// <exception cref="PlatformNotSupportedException">There is no usable MPI.</exception>
    public static IFfnBackend Join(IFfnBackend backend, ParallelPlan plan, FfnEngineOptions options)
    {
        ICollective collective = options.Collective is GivenCollective given
            ? given.Collective
            : OpenMpi(options.MpiPath, TimeSpan.FromSeconds(options.ParallelSeconds));
        try
        {
            ParallelBackend.RequireRanks(plan, collective.Ranks);
            if (collective.Ranks > 1)
            {
                return new ParallelBackend(backend, collective, plan, options.Precision);
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

    /// <summary>The ranks of the MPI job; null where no launcher started this process with others.</summary>
    /// <param name="mpiPath">The MPI to use; null looks for it.</param>
    /// <param name="timeLimit">How long an operation waits for other ranks.</param>
    /// <exception cref="PlatformNotSupportedException">There is no usable MPI.</exception>
    public static ICollective? OpenJob(string? mpiPath, TimeSpan timeLimit) =>
        MpiSearch.LaunchedRanks is > 1 ? OpenMpi(mpiPath, timeLimit) : null;

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
