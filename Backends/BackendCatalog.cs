using System.Collections.Immutable;
using NativeFfn.Backends.Managed;
using NativeFfn.Backends.Mkl;
using NativeFfn.Bindings;

namespace NativeFfn.Backends;

/// <summary>Every backend in order of preference, and the choice among them.</summary>
internal static class BackendCatalog
{
    private static readonly ImmutableArray<(BackendKind Kind, Func<BackendOptions, IFfnBackend> Open)> Backends =
    [
        (BackendKind.CuBlas, static _ => throw new BackendUnavailableException(
            BackendKind.CuBlas, "this version of NativeFfn has no CUDA backend. Use mkl, managed or auto.")),
        (BackendKind.Mkl, MklBackend.Open),
        (BackendKind.Managed, ManagedBackend.Open),
    ];

    /// <summary>Opens the backend that was asked for, or for <see cref="BackendKind.Auto"/> the first that opens.</summary>
    /// <exception cref="BackendUnavailableException">The backend that was named cannot be used here.</exception>
    public static (IFfnBackend Backend, BackendSelection Selection) Open(BackendKind requested, BackendOptions options)
    {
        var candidates = ImmutableArray.CreateBuilder<BackendCandidate>();
        foreach ((BackendKind kind, Func<BackendOptions, IFfnBackend> open) in Backends)
        {
            if (requested != BackendKind.Auto && requested != kind)
            {
                continue;
            }

            (IFfnBackend? backend, BackendCandidate candidate, Exception? cause) = TryOpen(kind, open, options);
            candidates.Add(candidate);
            if (backend is not null)
            {
                return (backend, new BackendSelection(requested, backend.Description, candidates.ToImmutable()));
            }

            if (requested == kind)
            {
                throw new BackendUnavailableException(kind, candidate.Reason!, cause);
            }
        }

        throw new ArgumentOutOfRangeException(nameof(requested), requested, $"No such backend. Use {string.Join(", ", BackendNames.All)}.");
    }

    /// <summary>Opens every backend in turn, and closes it again.</summary>
    public static ImmutableArray<BackendCandidate> Probe(BackendOptions options)
    {
        var candidates = ImmutableArray.CreateBuilder<BackendCandidate>();
        foreach ((BackendKind kind, Func<BackendOptions, IFfnBackend> open) in Backends)
        {
            (IFfnBackend? backend, BackendCandidate candidate, _) = TryOpen(kind, open, options);
            backend?.Dispose();
            candidates.Add(candidate);
        }

        return candidates.ToImmutable();
    }

    private static (IFfnBackend? Backend, BackendCandidate Candidate, Exception? Cause) TryOpen(
        BackendKind kind, Func<BackendOptions, IFfnBackend> open, BackendOptions options)
    {
        try
        {
            IFfnBackend backend = open(options);
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
}
