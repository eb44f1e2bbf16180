using System.Collections.Immutable;

namespace NativeFfn.Cli.Planning;

/// <summary>What a forward of some tokens takes by one plan.</summary>
/// <param name="Ranks">Ranks.</param>
/// <param name="Plan">How the layer is cut.</param>
/// <param name="RankBytes">Bytes of weights of the rank that has most.</param>
/// <param name="Fits">Whether they fit a rank's memory.</param>
/// <param name="Tokens">Rows of the forward.</param>
/// <param name="Ms">Milliseconds of the forward.</param>
/// <param name="MicrosecondsPerToken">The same for each token, in microseconds.</param>
/// <param name="ComputeMs">Of those, what the busiest rank reads and multiplies.</param>
/// <param name="CollectiveMs">Of those, what the ranks do together.</param>
/// <param name="RankTrafficBytes">Bytes that a rank sends in a forward.</param>
/// <param name="Bottleneck">What most of the time is for: memory, arithmetic or link.</param>
/// <param name="IsBest">Whether no other plan of as many ranks is faster.</param>
internal sealed record PlanRow(
    int Ranks, string Plan, long RankBytes, bool Fits, int Tokens, double Ms, double MicrosecondsPerToken, double ComputeMs, double CollectiveMs,
    double RankTrafficBytes, string Bottleneck, bool IsBest);

/// <summary>A plan that the layer cannot be cut by.</summary>
/// <param name="Ranks">Ranks.</param>
/// <param name="Plan">The plan.</param>
/// <param name="Reason">Why not.</param>
internal sealed record PlanRefusal(int Ranks, string Plan, string Reason);

/// <summary>The answer of <c>plan --json</c>.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Precision">How its matrices are kept.</param>
/// <param name="Ceilings">What a rank can do.</param>
/// <param name="Note">What the numbers are worth.</param>
/// <param name="Rows">A row for each plan and token count.</param>
/// <param name="Refused">What cannot be.</param>
internal sealed record PlanReport(
    string Layer, string Precision, PlanCeilings Ceilings, string Note, ImmutableArray<PlanRow> Rows, ImmutableArray<PlanRefusal> Refused);
