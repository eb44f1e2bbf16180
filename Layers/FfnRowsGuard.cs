using System.Runtime.CompilerServices;
using CommunityToolkit.HighPerformance;
using NativeFfn.Backends;

namespace NativeFfn;

/// <summary>Proves that the rows of a forward fit the layer and one another, before anything native sees a pointer.</summary>
internal static class FfnRowsGuard
{
    public static void Check(FfnSpec spec, in FfnRows rows)
    {
        CheckWidth("input", rows.Input.Height, rows.Input.Width, spec.InputWidth);
        CheckWidth("output", rows.Output.Height, rows.Output.Width, spec.OutputWidth);
        int tokens = rows.Input.Height;
        CheckTokens("output", rows.Output.Height, tokens);
        CheckMode(spec, rows.Mode);
        if (rows.Mode == FfnMode.Residual)
        {
            CheckWidth("residual", rows.Residual.Height, rows.Residual.Width, spec.OutputWidth);
            CheckTokens("residual", rows.Residual.Height, tokens);
        }

        if (rows.Trace is { } trace && (trace.Spec != spec || trace.Tokens != tokens))
        {
            throw new ArgumentException(
                $"The trace was made for {trace.Tokens} tokens of {trace.Spec}; this forward has {tokens} of {spec}. Make a trace for it.");
        }

        if (tokens > 0)
        {
            CheckOverlap(spec, "input", rows.Input, rows.Output, mayBeSame: spec.Stages.Length > 1);
            if (rows.Mode == FfnMode.Residual)
            {
                CheckOverlap(spec, "residual", rows.Residual, rows.Output, mayBeSame: true);
            }
        }
    }

    /// <summary>Proves that the layer has the mode.</summary>
    public static void CheckMode(FfnSpec spec, FfnMode mode)
    {
        switch (mode)
        {
            case FfnMode.Ffn or FfnMode.Residual:
                break;
            case FfnMode.Block:
                if (spec.WhyNoBlock is { } reason)
                {
                    throw new NotSupportedException($"This layer has no block mode: {reason}");
                }

                if (!spec.KeepsWidth)
                {
                    throw new NotSupportedException(
                        $"A block adds its input to its output, but this layer turns {spec.InputWidth} elements into {spec.OutputWidth}.");
                }

                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(mode), mode, "No such mode.");
        }
    }

    // An empty Span2D has no width to speak of, so a forward of no tokens only has to be empty everywhere.
    private static void CheckWidth(string name, int tokens, int width, int expected)
    {
        if (width != expected && tokens != 0)
        {
            throw new ArgumentException($"{name} has rows of {width} elements; this layer needs {expected}.", name);
        }
    }

    private static void CheckTokens(string name, int actual, int tokens)
    {
        if (actual != tokens)
        {
            throw new ArgumentException($"{name} has {actual} rows, but input has {tokens}.", name);
        }
    }

    private static void CheckOverlap(FfnSpec spec, string name, ReadOnlySpan2D<float> read, Span2D<float> written, bool mayBeSame)
    {
        int tokens = read.Height;

        // In bytes: spans over other people's memory need not lie a whole number of elements apart.
        long readStride = FfnRows.StrideOf(read) * sizeof(float);
        long writtenStride = FfnRows.StrideOf(written) * sizeof(float);
        long readWidth = (long)read.Width * sizeof(float);
        long writtenWidth = (long)written.Width * sizeof(float);
        long distance = Unsafe.ByteOffset(in read.DangerousGetReference(), in written.DangerousGetReference());
        long readExtent = ((tokens - 1) * readStride) + readWidth;
        long writtenExtent = ((tokens - 1) * writtenStride) + writtenWidth;
        if (distance >= readExtent || -distance >= writtenExtent)
        {
            return;
        }

        if (distance == 0 && read.Width == written.Width && (readStride == writtenStride || tokens == 1))
        {
            if (mayBeSame)
            {
                return;
            }

            throw new ArgumentException(
                $"output is the same memory as {name}, but {spec} has no hidden stage that would let it run in place. Use another output.",
                nameof(written));
        }

        // Columns of the same wider rows: both walk with one stride, and side by side they never meet.
        if (readStride == writtenStride)
        {
            long offset = ((distance % readStride) + readStride) % readStride;
            if (offset >= readWidth && offset + writtenWidth <= readStride)
            {
                return;
            }
        }

        throw new ArgumentException(
            $"output overlaps {name} in part. It may be exactly the same rows (in place) or share no element with them.", nameof(written));
    }
}
