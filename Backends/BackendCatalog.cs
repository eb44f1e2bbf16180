using System.Collections.Immutable;
using NativeFfn.Backends.Cpu;
using NativeFfn.Backends.CuBlas;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Backends.Parallel;
using NativeFfn.Backends.Reference;
using NativeFfn.Bindings;
using NativeFfn.Bindings.Mpi;

namespace NativeFfn.Backends;

/// <summary>Every backend in order of preference, the reference last, and the choice among them.</summary>
internal static class BackendCatalog
{
    private static readonly ImmutableArray<BackendEntry> Backends =
    [
        new(BackendKind.CuBlas, DeviceFormat.Precisions, CuBlasBackend.Open),
        new(BackendKind.Cblas, CpuBackend.Precisions, CblasBackend.Open) { IsAutomatic = CblasBackend.IsNamed },
        new(BackendKind.Mkl, CpuBackend.Precisions, MklBackend.Open),
        new(BackendKind.Managed, CpuBackend.Precisions, ManagedBackend.Open),
        new(BackendKind.Reference, ReferenceBackend.Precisions, ReferenceBackend.Open) { IsAutomatic = static _ => false },
    ];

    /// <summary>Opens the backend that was asked for, or for <see cref="BackendKind.Auto"/> the first that opens of those it may choose.</summary>
    /// <exception cref="BackendUnavailableException">The backend that was named cannot be used here.</exception>
    public static (IFfnBackend Backend, BackendSelection Selection) Open(FfnEngineOptions options)
    {
        BackendKind requested = options.Backend;
        var candidates = ImmutableArray.CreateBuilder<BackendCandidate>();
        foreach (BackendEntry entry in Backends)
        {
            if (requested == BackendKind.Auto ? !entry.IsAutomatic(options) : requested != entry.Kind)
            {
                continue;
            }

            (IFfnBackend? backend, BackendCandidate candidate, Exception? cause) = TryOpen(entry, options);
            candidates.Add(candidate);
            if (backend is not null)
            {
                return (backend, new BackendSelection(requested, backend.Description, candidates.ToImmutable()));
            }

            if (requested == entry.Kind)
            {
                throw new BackendUnavailableException(entry.Kind, candidate.Reason!, cause);
            }
        }

        // The managed backend runs anywhere, but not in a precision of GPUs.
        throw new BackendUnavailableException(
            requested, string.Join("\n", candidates.Select(static candidate => $"{Names<BackendKind>.Of(candidate.Kind)}: {candidate.Reason}")));
    }

    /// <summary>Opens a backend, and with <see cref="FfnEngineOptions.Parallel"/> has its layers cut over ranks.</summary>
    /// <exception cref="BackendUnavailableException">The backend that was named cannot be used here.</exception>
    public static (IFfnBackend Backend, BackendSelection Selection) OpenRank(FfnEngineOptions options)
    {
        if (!ParallelPlan.TryParse(options.Parallel, out ParallelPlan plan))
        {
            return Open(options);
        }

        (IFfnBackend backend, BackendSelection selection) =
            Open(options.Ranks is null ? options with { LocalRank = MpiSearch.LocalRank } : options);

        try
        {
            backend = CollectiveCatalog.Join(backend, plan, options);
            return (backend, selection with { Chosen = backend.Description });
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }

    /// <summary>This process's rank among those that a launcher started, as the environment says.</summary>
    public static int LaunchedRank => MpiSearch.LaunchedRank;

    /// <summary>Opens every backend in turn, and closes it again.</summary>
    public static ImmutableArray<BackendCandidate> Probe(FfnEngineOptions options)
    {
        var candidates = ImmutableArray.CreateBuilder<BackendCandidate>();
        foreach (BackendEntry entry in Backends)
        {
            (IFfnBackend? backend, BackendCandidate candidate, _) = TryOpen(entry, options);
            backend?.Dispose();
            candidates.Add(candidate with { IsAutomatic = entry.IsAutomatic(options) });
        }

        return candidates.ToImmutable();
    }

    /// <inheritdoc cref="CollectiveCatalog.ProbeNccl"/>
    public static (string? Version, string? Path, string? Reason) ProbeNccl(FfnEngineOptions options) => CollectiveCatalog.ProbeNccl(options);

    private static (IFfnBackend? Backend, BackendCandidate Candidate, Exception? Cause) TryOpen(
        BackendEntry entry, FfnEngineOptions options)
    {
        BackendKind kind = entry.Kind;
        if (!entry.Precisions.Contains(options.Precision))
        {
            return (null, new BackendCandidate(
                kind, null, $"it has no precision {Names<FfnPrecision>.Of(options.Precision)}. It has {string.Join(", ", entry.Precisions.Select(Names<FfnPrecision>.Of))}."), null);
        }

        try
        {
            IFfnBackend backend = entry.Open(options);
            return (backend, new BackendCandidate(kind, backend.Description, null), null);
        }
        catch (BackendUnavailableException exception)
        {
            return (null, new BackendCandidate(kind, null, exception.Reason), exception);
        }
        catch (NativeLibraryException exception)
        {
            return (null, new BackendCandidate(kind, null, exception.Message), exception);
        }
    }

    private sealed record BackendEntry(BackendKind Kind, FfnPrecision[] Precisions, Func<FfnEngineOptions, IFfnBackend> Open)
    {
        public Predicate<FfnEngineOptions> IsAutomatic { get; init; } = static _ => true;
    }
}
