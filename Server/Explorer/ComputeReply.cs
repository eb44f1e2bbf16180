using System.Collections.Immutable;

namespace NativeFfn.Server.Explorer;

/// <summary>One position of a forward, from inside.</summary>
/// <param name="Layer">The layer's name.</param>
/// <param name="Kind">The layer's kind.</param>
/// <param name="Backend">What computed.</param>
/// <param name="Mode">What was computed.</param>
/// <param name="Block">The block's formula, with F for the network; only in block mode.</param>
/// <param name="Tokens">Rows of the forward.</param>
/// <param name="Position">The row that is shown.</param>
/// <param name="Input">The rows going in.</param>
/// <param name="Normalized">The rows after the norm before the network; only in block mode, where the layer has one.</param>
/// <param name="Routing">Where the router sent each row; null where the layer is no mixture.</param>
/// <param name="Stages">The hidden stages; none in a mixture.</param>
/// <param name="Last">The stage that gives the output, of one expert in a mixture.</param>
/// <param name="Output">The rows coming out.</param>
/// <param name="Timing">Where the time of the whole forward went.</param>
/// <param name="Code">C# that computes the same.</param>
internal sealed record ComputeReply(
    string Layer,
    string Kind,
    string Backend,
    string Mode,
    string? Block,
    int Tokens,
    int Position,
    ComputedRow Input,
    ComputedRow? Normalized,
    ComputedRouting? Routing,
    ImmutableArray<ComputedStage> Stages,
    LastStage Last,
    ComputedRow Output,
    ComputeTiming Timing,
    string Code);

/// <summary>What the rows of all positions hold at one place of the forward.</summary>
/// <param name="Values">The position's row.</param>
/// <param name="Rms">√(mean of squares) of every position's row.</param>
internal sealed record ComputedRow(float[] Values, float[] Rms);

/// <summary>Where a mixture's router sent each row.</summary>
/// <param name="Experts">Experts that there are.</param>
/// <param name="TopK">How many of them a row is sent to.</param>
/// <param name="Scoring">How logits become scores.</param>
/// <param name="WeighsInput">Whether a weight multiplies its expert's input and not its result.</param>
/// <param name="Shared">Whether every row goes through a shared expert as well.</param>
/// <param name="Scores">The position's scores of all experts, before any choice.</param>
/// <param name="Choices">The chosen experts of every position, best first.</param>
internal sealed record ComputedRouting(
    int Experts, int TopK, string Scoring, bool WeighsInput, bool Shared, float[] Scores,
    ImmutableArray<ImmutableArray<RoutedExpert>> Choices);

/// <summary>An expert, and what its result was multiplied with.</summary>
internal sealed record RoutedExpert(int Expert, float Weight);

/// <summary>What a hidden stage computed.</summary>
/// <param name="Activation">The activation's name.</param>
/// <param name="Form">What it makes of its projections.</param>
/// <param name="PreActivation">W · x + b.</param>
/// <param name="Activated">act(pre-activation).</param>
/// <param name="Up">W_up · x + b_up of a gated stage.</param>
/// <param name="Hidden">What the next stage gets, where that is not the activation itself.</param>
/// <param name="Curve">The activation over the range of the values, for drawing.</param>
internal sealed record ComputedStage(
    string Activation, StageForm Form, ComputedRow PreActivation, ComputedRow Activated, ComputedRow? Up, ComputedRow? Hidden,
    ActivationCurve Curve);

/// <summary>What of a stage's formula is not in the activation's name.</summary>
/// <param name="Bias">Whether its projections add a bias.</param>
/// <param name="HasParameters">Whether numbers of its own stand in the activation's formula.</param>
/// <param name="IsSparse">Whether a sieve takes elements out before the activation, by the whole row.</param>
/// <param name="IsNormed">Whether a norm follows on the hidden row.</param>
internal sealed record StageForm(bool Bias, bool HasParameters, bool IsSparse, bool IsNormed);

/// <summary>The form of the stage after all hidden ones.</summary>
/// <param name="Activation">Its activation's name.</param>
/// <param name="Gated">Whether it is gated.</param>
/// <param name="Bias">Whether it adds a bias.</param>
internal sealed record LastStage(string Activation, bool Gated, bool Bias);

/// <summary>Points of y = act(x).</summary>
internal sealed record ActivationCurve(float[] X, float[] Y);

/// <summary>Times in milliseconds.</summary>
/// <param name="ElapsedMs">Wall time of one forward without tracing, the mean of a few.</param>
/// <param name="ThreadMs">Time that its threads worked, summed.</param>
/// <param name="Threads">Threads that it may use.</param>
/// <param name="Steps">The parts of the thread time.</param>
internal sealed record ComputeTiming(double ElapsedMs, double ThreadMs, int Threads, ImmutableArray<StepTime> Steps);

/// <summary>One part of the thread time.</summary>
internal sealed record StepTime(string Name, double Ms, double Share);
