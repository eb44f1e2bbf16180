using System.Collections.Immutable;
using NativeFfn.Bench.Subjects;
using NativeFfn.Cli.Options;

namespace NativeFfn.Bench.Comparing;

/// <summary>Layers, subjects, time and files of one comparison.</summary>
/// <param name="Shapes">The layers' widths.</param>
/// <param name="Mixture">The mixture that each layer is; null for dense layers.</param>
/// <param name="Tokens">Token counts.</param>
/// <param name="Threads">Threads of one forward.</param>
/// <param name="Seconds">Time for each token count, all subjects together.</param>
/// <param name="Subjects">Subjects and sets of them; empty for those by default that are available.</param>
/// <param name="Resident">Whether one copy of the weights stays in the cache, where it fits.</param>
/// <param name="Unpinned">Whether threads run where the system puts them.</param>
/// <param name="Callers">Callers at a time of a server's view; 0 for none.</param>
/// <param name="Json">A file for the results, or null.</param>
/// <param name="Plot">A PNG file for the picture, or null.</param>
internal sealed record ComparisonPlan(
    ImmutableArray<LayerShape> Shapes,
    MixtureSpec? Mixture,
    ImmutableArray<int> Tokens,
    int Threads,
    double Seconds,
    ImmutableArray<string> Subjects,
    bool Resident,
    bool Unpinned,
    int Callers,
    string? Json,
    string? Plot)
{
    /// <summary>Engines and libraries that hold weights at a time, at most.</summary>
    public int MostEngines => SubjectCatalog.Expand(Subjects).Length * (Callers == 0 ? 1 : 2);

    /// <summary>The layer of a shape.</summary>
    public FfnSpec SpecOf(LayerShape shape)
    {
        FfnSpec dense = FfnSpec.Create(FfnKind.SwiGlu, shape.DModel, shape.DFf);
        return Mixture is null ? dense : dense.WithExperts(Mixture);
    }
}
