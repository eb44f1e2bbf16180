using System.Runtime.CompilerServices;
using CommunityToolkit.HighPerformance;

namespace NativeFfn.Backends;

/// <summary>One forward as a backend receives it: rows that were proven to fit the layer and each other.</summary>
/// <remarks>
/// Input and residual are <c>[tokens, InputWidth]</c> and <c>[tokens, OutputWidth]</c>, output is <c>[tokens, OutputWidth]</c>; a row is
/// contiguous, rows may lie further apart than they are wide. Output is the very same rows as input or residual, or shares no element with them.
/// </remarks>
internal readonly ref struct FfnRows
{
    /// <summary>Rows going in.</summary>
    public required ReadOnlySpan2D<float> Input { get; init; }

    /// <summary>Rows coming out.</summary>
    public required Span2D<float> Output { get; init; }

    /// <summary>Rows to add in <see cref="FfnMode.Residual"/>; ignored in the other modes.</summary>
    public ReadOnlySpan2D<float> Residual { get; init; }

    /// <summary>What is computed.</summary>
    public FfnMode Mode { get; init; }

    /// <summary>Asked for a mixture's routes before its experts run; null where a forward stands alone.</summary>
    public IRouteAgreement? Agreement { get; init; }

    /// <summary>Receives the inner values where one is given.</summary>
    public FfnTrace? Trace { get; init; }

    /// <summary>Receives the times of the steps where one is given.</summary>
    public FfnProfile? Profile { get; init; }

    /// <summary>Elements from one row of a span to the next; the width where there is one row.</summary>
    /// <param name="rows">The rows.</param>
    public static long StrideOf(ReadOnlySpan2D<float> rows) => rows.Height < 2
        ? rows.Width
        : Unsafe.ByteOffset(in rows.DangerousGetReferenceAt(0, 0), in rows.DangerousGetReferenceAt(1, 0)) / sizeof(float);
}
