using System.Collections.Immutable;

namespace NativeFfn.Backends;

/// <summary>Every backend in order of preference, and the choice among them.</summary>
internal static class BackendCatalog
{
    public static (IFfnBackend Backend, BackendSelection Selection) Open(BackendKind requested, BackendOptions options) => throw new NotImplementedException();

    public static ImmutableArray<BackendCandidate> Probe(BackendOptions options) => throw new NotImplementedException();
}
