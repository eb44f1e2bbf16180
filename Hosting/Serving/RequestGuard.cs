namespace NativeFfn.Hosting.Serving;

/// <summary>Proves a request before it meets others: what passes here cannot fail in the layer for its shape.</summary>
internal static class RequestGuard
{
    /// <returns>The request's tokens.</returns>
    public static int Check(
        FfnLayerInfo layer, in FfnRequestOptions options, ReadOnlySpan<float> input, Span<float> output, FfnBatchingOptions batching)
    {
        FfnSpec spec = layer.Spec;
        CheckMode(layer.Name, spec, options.Mode);
        if (options.Priority is < FfnPriority.Low or > FfnPriority.High)
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.Priority, "No such priority.");
        }

        (int tokens, int rest) = Math.DivRem(input.Length, spec.InputWidth);
        if (rest != 0)
        {
            throw new ArgumentException(
                $"input has {input.Length} elements, which is no whole number of rows of {spec.InputWidth}, the width of " +
                $"{layer.Name}.", nameof(input));
        }

        if (output.Length != (long)tokens * spec.OutputWidth)
        {
            throw new ArgumentException(
                $"output has {output.Length} elements; {tokens} rows of {layer.Name} need " +
                $"{(long)tokens * spec.OutputWidth}.", nameof(output));
        }

        if (tokens > batching.QueueCapacityTokens)
        {
            throw new ArgumentException(
                $"input has {tokens} rows, more than the {batching.QueueCapacityTokens} that the queue ever holds " +
                "(Batching:QueueCapacityTokens). Send fewer at a time.",
                nameof(input));
        }

        CheckOverlap(layer.Name, spec, input, output);
        return tokens;
    }

    private static void CheckMode(string name, FfnSpec spec, FfnMode mode)
    {
        if (mode is < FfnMode.Ffn or > FfnMode.Block)
        {
            throw new ArgumentOutOfRangeException(nameof(mode), mode, "No such mode.");
        }

        if (mode == FfnMode.Block && spec.WhyNoBlock is { } reason)
        {
            throw new NotSupportedException($"{name} has no block mode: {WithoutFolder(reason)}");
        }

        if (mode != FfnMode.Ffn && !spec.KeepsWidth)
        {
            throw new NotSupportedException(
                $"Mode {mode} adds the input to the output, but {name} turns {spec.InputWidth} elements into {spec.OutputWidth}. Use " +
                "mode Ffn.");
        }
    }

    // Who asks need not know where the host keeps the file that lacks a norm.
    private static string WithoutFolder(string reason)
    {
        int pathEnd = reason.IndexOf(" has no tensor ", StringComparison.Ordinal);
        return pathEnd < 0 ? reason : reason[(reason.LastIndexOfAny(['/', '\\'], pathEnd) + 1)..];
    }

    private static void CheckOverlap(string name, FfnSpec spec, ReadOnlySpan<float> input, Span<float> output)
    {
        if (!input.Overlaps(output, out int distance))
        {
            return;
        }

        if (distance != 0 || input.Length != output.Length)
        {
            throw new ArgumentException(
                "output overlaps input in part. It may be exactly the same memory (in place) or share no element with it.", nameof(output));
        }

        if (spec.Stages.Length == 1)
        {
            throw new ArgumentException(
                $"output is the same memory as input, but {name} has no hidden stage that would let it run in place. Use another " +
                "output.", nameof(output));
        }
    }
}
