namespace NativeFfn.Hosting.Batching;

/// <summary>The rows of requests that are run together: gathered from the callers' memory, and scattered back to it.</summary>
/// <remarks>A request whose memory fails (disposed by its owner, say) is marked as failed and left out.</remarks>
internal sealed class BatchBuffer
{
    private readonly int _tokens;
    private readonly int _paddedTokens;
    private float[] _input = [];
    private float[] _output = [];

    /// <summary>Makes room for nothing yet.</summary>
    /// <param name="tokens">Tokens of a batch at most.</param>
    /// <param name="paddedTokens">
    /// Rows of every forward that requests may share; those without a request are zero. 0 where each has as many as it needs.
    /// </param>
    public BatchBuffer(int tokens, int paddedTokens)
    {
        _tokens = tokens;
        _paddedTokens = paddedTokens;
    }

    /// <summary>Proves that a batch of a layer fits into arrays.</summary>
    /// <exception cref="FfnHostingException">It does not.</exception>
    public static void RequireRoom(FfnSpec spec, int tokens)
    {
        int width = Math.Max(spec.InputWidth, spec.OutputWidth);
        if ((long)width * tokens > Array.MaxLength)
        {
            throw new FfnHostingException(
                $"Batching:MaxBatchTokens is {tokens}, but so many rows of {width} elements do not fit into one array. Use at most " +
                $"{Array.MaxLength / width}.");
        }
    }

    /// <summary>Whether forwards of a layer are filled up: one whose requests share nothing gives the same bits without.</summary>
    public bool Pads(LayerQueue queue) => _paddedTokens > 0 && queue.Layer.MaxBatchTokens > 0;

    /// <summary>Runs requests as one forward.</summary>
    /// <param name="queue">Layer and mode.</param>
    /// <param name="requests">The requests.</param>
    /// <param name="forward">Runs the rows.</param>
    public void Run(LayerQueue queue, IReadOnlyList<FfnRequest> requests, LayerForward forward)
    {
        FfnSpec spec = queue.Layer.Info.Spec;
        Reserve(spec);
        int tokens = 0;
        for (int i = 0; i < requests.Count; i++)
        {
            tokens += Gather(requests[i], _input.AsSpan(tokens * spec.InputWidth));
        }

        int rows = Pad(tokens, spec);
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
    public void RunInPieces(LayerQueue queue, ReadOnlySpan<float> input, Span<float> output, LayerForward forward)
    {
        FfnSpec spec = queue.Layer.Info.Spec;
        Reserve(spec);
        while (input.Length > 0)
        {
            int tokens = Math.Min(_paddedTokens, input.Length / spec.InputWidth);
            input[..(tokens * spec.InputWidth)].CopyTo(_input);
            int rows = Pad(tokens, spec);
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

    private int Pad(int tokens, FfnSpec spec)
    {
        if (tokens == 0 || _paddedTokens == 0)
        {
            return tokens;
        }

        _input.AsSpan(tokens * spec.InputWidth, (_paddedTokens - tokens) * spec.InputWidth).Clear();
        return _paddedTokens;
    }

    // Grows to the widest layer so far; on the pinned heap, so that a collection never has to move what native code often holds.
    private void Reserve(FfnSpec spec)
    {
        Reserve(ref _input, spec.InputWidth * _tokens);
        Reserve(ref _output, spec.OutputWidth * _tokens);
    }

    private static void Reserve(ref float[] array, int length)
    {
        if (array.Length < length)
        {
            array = GC.AllocateUninitializedArray<float>(length, pinned: true);
        }
    }
}
