using System.Collections.Immutable;

namespace NativeFfn.Server.Explorer;

/// <summary>One position of a forward, from inside.</summary>
/// <param name="Layer">The layer's name.</param>
/// <param name="Kind">The layer's kind.</param>
/// <param name="Backend">What computed.</param>
/// <param name="Mode">What was computed.</param>
/// <param name="Tokens">Rows of the forward.</param>
/// <param name="Position">The row that is shown.</param>
/// <param name="Input">The row going in.</param>
/// <param name="Normalized">The row after the norm before the network; only in block mode, where the layer has one.</param>
/// <param name="Experts">The experts that the row was sent to, best first; null where the layer is no mixture.</param>
/// <param name="Stages">The hidden stages; none in a mixture.</param>
/// <param name="Output">The row coming out.</param>
/// <param name="Timing">Where the time of the whole forward went.</param>
internal sealed record ComputeReply(
    string Layer,
    string Kind,
    string Backend,
    string Mode,
    int Tokens,
    int Position,
    float[] Input,
    float[]? Normalized,
    ImmutableArray<RoutedExpert>? Experts,
    ImmutableArray<ComputedStage> Stages,
    float[] Output,
    ComputeTiming Timing);

/// <summary>An expert, and what its result was multiplied with.</summary>
internal sealed record RoutedExpert(int Expert, float Weight);

/// <summary>A hidden stage's values for one row.</summary>
/// <param name="Activation">The activation's name.</param>
/// <param name="PreActivation">W · x + b.</param>
/// <param name="Activated">act(pre-activation).</param>
/// <param name="Up">W_up · x + b_up of a gated stage.</param>
/// <param name="Hidden">activated ⊙ up, of a gated stage.</param>
/// <param name="Curve">The activation over the range of the values, for drawing.</param>
internal sealed record ComputedStage(
    string Activation, float[] PreActivation, float[] Activated, float[]? Up, float[]? Hidden, ActivationCurve Curve);

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
