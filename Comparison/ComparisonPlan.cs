using System.Collections.Immutable;
using NativeFfn.Cli.Options;

namespace NativeFfn.Comparison;

/// <summary>What to measure and where to put it.</summary>
/// <param name="Shapes">The layers' widths.</param>
/// <param name="Tokens">Token counts.</param>
/// <param name="Threads">Threads of one forward.</param>
/// <param name="Seconds">Time for each token count, all subjects together.</param>
/// <param name="Subjects">The subjects; empty for all that are available.</param>
/// <param name="Callers">Callers at a time of a server's view; 0 for none.</param>
/// <param name="Json">A file for the results, or null.</param>
/// <param name="Plot">A PNG file for the picture, or null.</param>
internal sealed record ComparisonPlan(
    ImmutableArray<LayerShape> Shapes,
    ImmutableArray<int> Tokens,
    int Threads,
    double Seconds,
    ImmutableArray<string> Subjects,
    int Callers,
    string? Json,
    string? Plot);
