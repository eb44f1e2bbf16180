using CommunityToolkit.HighPerformance;

namespace NativeFfn.Backends;

/// <summary>One forward whose rows stay where they are while nobody holds them on a stack: <see cref="FfnRows"/> for later.</summary>
internal readonly record struct FfnMemoryRows
{
    /// <summary>Rows going in, one behind the other; in <see cref="FfnMode.Residual"/> the rows to add as well.</summary>
    public required ReadOnlyMemory<float> Input { get; init; }

    /// <summary>Rows coming out, one behind the other.</summary>
    public required Memory<float> Output { get; init; }

    /// <summary>Elements of an input row.</summary>
    public required int InputWidth { get; init; }

    /// <summary>Elements of an output row.</summary>
    public required int OutputWidth { get; init; }

    /// <summary>What is computed.</summary>
    public required FfnMode Mode { get; init; }

    /// <summary>Rows.</summary>
    public int Tokens => Input.Length / InputWidth;

    /// <summary>The rows, as long as the caller's stack frame lives.</summary>
    public FfnRows Rows
    {
        get
        {
            ReadOnlySpan2D<float> input = ReadOnlySpan2D<float>.DangerousCreate(
                in Input.Span.DangerousGetReference(), Tokens, InputWidth, 0);
            return new FfnRows
            {
                Input = input,
                Residual = Mode == FfnMode.Residual ? input : default,
                Output = Span2D<float>.DangerousCreate(ref Output.Span.DangerousGetReference(), Output.Length / OutputWidth, OutputWidth, 0),
                Mode = Mode,
            };
        }
    }
}
