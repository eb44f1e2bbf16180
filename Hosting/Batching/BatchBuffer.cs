using NativeFfn.Hosting.Serving;

namespace NativeFfn.Hosting.Batching;

/// <summary>The rows of requests that are run together: gathered from the callers' memory, and scattered back to it.</summary>
/// <remarks>A request whose memory fails (disposed by its owner, say) is marked as failed and left out.</remarks>
internal sealed class BatchBuffer
{
    private readonly float[] _input;
    private readonly float[] _output;

    /// <summary>Makes room for batches of any of the layers.</summary>
    /// <param name="layers">The layers.</param>
    /// <param name="tokens">Tokens of a batch at most.</param>
    public BatchBuffer(IReadOnlyList<ServedLayer> layers, int tokens)
    {
        _input = Allocate(layers.Max(static layer => layer.Info.Spec.InputWidth), tokens);
        _output = Allocate(layers.Max(static layer => layer.Info.Spec.OutputWidth), tokens);
    }

    /// <summary>Runs requests as one forward.</summary>
    /// <param name="queue">Layer and mode.</param>
    /// <param name="requests">The requests.</param>
    /// <param name="paddedTokens">Rows of the forward where that is fixed; those without a request are zero. 0 where it is not.</param>
    /// <param name="forward">Runs the rows.</param>
    public void Run(LayerQueue queue, IReadOnlyList<FfnRequest> requests, int paddedTokens, LayerForward forward)
    {
        FfnSpec spec = queue.Layer.Info.Spec;
        int tokens = 0;
        for (int i = 0; i < requests.Count; i++)
        {
            tokens += Gather(requests[i], _input.AsSpan(tokens * spec.InputWidth));
        }

        int rows = Pad(tokens, paddedTokens, spec);
        if (rows == 0)
        {
            return;
        }

        Span<float> output = _output.AsSpan(0, rows * spec.OutputWidth);
        forward(queue.Layer.Layer, queue.Mode, _input.AsSpan(0, rows * spec.InputWidth), output);
        for (int i = 0; i < requests.Count; i++)
        {
            if (requests[i].Failure is null)
            {
                int length = requests[i].Tokens * spec.OutputWidth;
                Scatter(output[..length], requests[i]);
                output = output[length..];
            }
        }
    }

    /// <summary>Runs rows of any number in forwards of a fixed number.</summary>
    public void RunInPieces(LayerQueue queue, ReadOnlySpan<float> input, Span<float> output, int paddedTokens, LayerForward forward)
    {
        FfnSpec spec = queue.Layer.Info.Spec;
        while (input.Length > 0)
        {
            int tokens = Math.Min(paddedTokens, input.Length / spec.InputWidth);
            input[..(tokens * spec.InputWidth)].CopyTo(_input);
            int rows = Pad(tokens, paddedTokens, spec);
            forward(queue.Layer.Layer, queue.Mode, _input.AsSpan(0, rows * spec.InputWidth), _output.AsSpan(0, rows * spec.OutputWidth));
            _output.AsSpan(0, tokens * spec.OutputWidth).CopyTo(output);
            input = input[(tokens * spec.InputWidth)..];
            output = output[(tokens * spec.OutputWidth)..];
        }
    }

    private static int Gather(FfnRequest request, Span<float> destination)
    {
        try
        {
            request.Input.Span.CopyTo(destination);
            return request.Tokens;
        }
        catch (Exception exception)
        {
            request.Failure = exception;
            return 0;
        }
    }

    private static void Scatter(ReadOnlySpan<float> rows, FfnRequest request)
    {
        try
        {
            rows.CopyTo(request.Output.Span);
        }
        catch (Exception exception)
        {
            request.Failure = exception;
        }
    }

    private int Pad(int tokens, int paddedTokens, FfnSpec spec)
    {
        if (tokens == 0 || paddedTokens == 0)
        {
            return tokens;
        }

        _input.AsSpan(tokens * spec.InputWidth, (paddedTokens - tokens) * spec.InputWidth).Clear();
        return paddedTokens;
    }

    // On the pinned heap, so that a collection never has to move what native code often holds.
    private static float[] Allocate(int width, int tokens)
    {
        long elements = (long)width * tokens;
        if (elements > Array.MaxLength)
        {
            throw new FfnHostingException(
                $"Batching:MaxBatchTokens is {tokens}, but so many rows of {width} elements do not fit into one array. Use at most " +
                $"{Array.MaxLength / width}.");
        }

        return GC.AllocateUninitializedArray<float>((int)elements, pinned: true);
    }
}
