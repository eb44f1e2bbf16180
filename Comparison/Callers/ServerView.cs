using System.Collections.Immutable;
using NativeFfn.Comparison.Subjects;

namespace NativeFfn.Comparison.Callers;

/// <summary>What a server sees of NativeFfn: many callers, pauses between them, and the garbage collector.</summary>
/// <param name="Callers">Callers at a time.</param>
/// <param name="OtherLoad">The part of the processors that other processes had meanwhile, 0 to 1; null where it is unknown.</param>
/// <param name="Rates">Subjects at each token count.</param>
/// <param name="Rests">What subjects take beside their answers.</param>
internal sealed record ServerView(int Callers, double? OtherLoad, ImmutableArray<CallerRate> Rates, ImmutableArray<RestRow> Rests);

/// <summary>How many tokens pass through a layer, by who calls it; medians of several windows.</summary>
/// <param name="Subject">What was measured.</param>
/// <param name="Tokens">Rows of one forward.</param>
/// <param name="ManyPerSecond">Tokens a second of all callers together, on an engine that gives each of them one thread.</param>
/// <param name="OnePerSecond">Tokens a second of one caller after the other, on an engine that gives it all threads.</param>
internal sealed record CallerRate(SubjectDescription Subject, int Tokens, double ManyPerSecond, double OnePerSecond)
{
    /// <summary>The many by the one: above 1, callers at a time get more done.</summary>
    public double ManyOverOne => ManyPerSecond / OnePerSecond;
}

/// <summary>What a subject takes beside its answers.</summary>
/// <param name="Subject">What was measured.</param>
/// <param name="IdleMs">Milliseconds of processor time, of all threads of the process, in the second after a forward.</param>
/// <param name="AllocatedBytesPerCall">Managed bytes of one steady forward, on all threads together.</param>
internal sealed record RestRow(SubjectDescription Subject, double IdleMs, long AllocatedBytesPerCall);
