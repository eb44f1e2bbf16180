using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Parallel;

/// <summary>
/// A forward of every rank's own tokens: each is sent to the ranks that have a part in its result, of a mixture those with its experts, and
/// their results come back and are added in the order of ranks, so that bits repeat.
/// </summary>
/// <remarks>Tokens go in rounds, as many as the rank with most of them needs, which bounds what is in memory.</remarks>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Design", "CA1001", Justification = "The group owns the memory: it frees it when it is left, and never where it has failed.")]
internal sealed unsafe class TogetherForward : IRouteAgreement
{
    // Bytes that a rank sends at most in a round; what it receives is at most that of each rank, and MPI counts in 32 bits.
    private const long RoundBytes = 1 << 30;
    private const int MostTokens = 1 << 16;

    private readonly ICollective _collective;
    private readonly GrowingBuffer _even = new();
    private readonly GrowingBuffer _odd = new();
    private readonly GrowingBuffer _sent = new();
    private readonly GrowingBuffer _received = new();
    private readonly GrowingBuffer _results = new();
    private readonly GrowingBuffer _returned = new();
    private readonly GrowingBuffer _counts = new();
    private readonly int[] _wordBytes;
    private readonly int[] _there;
    private readonly int[] _here;
    private int[] _experts = [];
    private float[] _weights = [];

    // Rows that came from other ranks, while they run.
    private float* _guests;
    private int _guestStride;
    private int _guestWidth;

    /// <summary>Makes what a group's forwards share.</summary>
    public TogetherForward(ICollective collective)
    {
        _collective = collective;
        _wordBytes = [.. Enumerable.Repeat(sizeof(int), collective.Ranks)];
        (_there, _here) = (new int[collective.Ranks], new int[collective.Ranks]);
        foreach (GrowingBuffer memory in (GrowingBuffer[])[_even, _odd, _sent, _received, _results, _returned, _counts])
        {
            collective.Keep(memory);
        }
    }

    /// <summary>Runs this rank's rows, and its part of those of others.</summary>
    /// <exception cref="ArgumentException">A token of this rank cannot be routed; the others have their results.</exception>
    public void Run(ParallelLayer layer, in FfnRows rows, in RowPlaces places)
    {
        int unroutable = Route(layer, rows, places.Input);
        int tokens = unroutable == int.MaxValue ? rows.Input.Height : 0;
        try
        {
            int most = MostOf(tokens);
            int round = RoundOf(layer);
            for (long first = 0; first < most; first += round)
            {
                int count = (int)Math.Clamp(tokens - first, 0, round);
                RunRound(layer, rows, places, (int)Math.Min(first, tokens), count);
            }
        }
        catch (Exception exception) when (exception is not CollectiveFailedException)
        {
            _collective.Abort(exception.Message);
            throw;
        }

        if (unroutable != int.MaxValue)
        {
            throw Router.Unroutable(unroutable);
        }
    }

    /// <inheritdoc/>
    public int Agree(Span<int> experts, Span<float> weights, int unroutable)
    {
        // Behind each row are its experts and their weights, as its own rank chose them.
        int topK = (_guestStride - _guestWidth) / 2;
        for (int row = 0; row * topK < experts.Length; row++)
        {
            float* routes = _guests + ((long)row * _guestStride) + _guestWidth;
            new ReadOnlySpan<int>(routes, topK).CopyTo(experts[(row * topK)..]);
            new ReadOnlySpan<float>(routes + topK, topK).CopyTo(weights[(row * topK)..]);
        }

        return int.MaxValue;
    }

    // The same on all ranks.
    private int RoundOf(ParallelLayer layer)
    {
        long bytes = (layer.Width + (2L * (layer.Spec.Mixture?.TopK ?? 0))) * sizeof(float) * _collective.Ranks;
        return (int)Math.Clamp(RoundBytes / bytes, 1, MostTokens);
    }

    // Routes of all this rank's tokens, before any is sent; the first without one.
    private int Route(ParallelLayer layer, in FfnRows rows, float* input)
    {
        if (layer.Router is not { } router)
        {
            return int.MaxValue;
        }

        int topK = layer.Spec.Mixture!.TopK;
        int routes = checked(rows.Input.Height * topK);
        if (_experts.Length < routes)
        {
            (_experts, _weights) = (new int[routes], new float[routes]);
        }

        float* row = Reserve(_even, layer.Spec.InputWidth);
        for (int token = 0; token < rows.Input.Height; token++)
        {
            layer.Block.Prepare(rows, input, token, 1, row);
            if (!router.TryChoose(row, _experts.AsSpan(token * topK, topK), _weights.AsSpan(token * topK, topK)))
            {
                return token;
            }
        }

        return int.MaxValue;
    }

    private int MostOf(int tokens)
    {
        int ranks = _collective.Ranks;
        int* counts = (int*)Reserve(_counts, 2L * ranks);
        new Span<int>(counts, ranks).Fill(tokens);
        Exchange(counts, _wordBytes, counts + ranks, _wordBytes);
        int most = 0;
        foreach (int count in new ReadOnlySpan<int>(counts + ranks, ranks))
        {
            most = Math.Max(most, count);
        }

        return most;
    }

    private void RunRound(ParallelLayer layer, in FfnRows rows, in RowPlaces places, int first, int tokens)
    {
        float* from = Reserve(_even, (long)tokens * layer.Width);
        float* to = Reserve(_odd, (long)tokens * layer.Width);
        layer.Block.Prepare(rows, places.Input, first, tokens, from);
        foreach ((ILoadedLayer loaded, LayerPart part) in layer.Parts)
        {
            if (part.IsSum)
            {
                RunEverywhere(loaded, part, first, tokens, from, to);
            }
            else if (tokens > 0)
            {
                loaded.Run(new FfnRows { Input = new(from, tokens, part.Spec.InputWidth, 0), Output = new(to, tokens, part.Spec.OutputWidth, 0) });
            }

            float* free = from;
            from = to;
            to = free;
        }

        layer.Block.Finish(rows, places, first, tokens, from, Reserve(_returned, layer.Spec.InputWidth));
    }

    private void RunEverywhere(ILoadedLayer loaded, LayerPart part, int first, int tokens, float* from, float* to)
    {
        int topK = part.Spec.Mixture?.TopK ?? 0;
        (int width, int outputWidth) = (part.Spec.InputWidth, part.Spec.OutputWidth);
        int stride = width + (2 * topK);
        (int sent, int received) = Count(part, first, tokens, topK);

        float* rows = Reserve(_sent, (long)sent * stride);
        Pack(part, first, tokens, from, rows, topK);
        float* guests = Reserve(_received, (long)received * stride);
        Scale(stride * sizeof(float));
        Exchange(rows, _there, guests, _here);

        float* results = Reserve(_results, (long)received * outputWidth);
        if (received > 0)
        {
            _guests = guests;
            (_guestStride, _guestWidth) = (stride, width);
            loaded.Run(new FfnRows
            {
                Input = new(guests, received, width, stride - width),
                Output = new(results, received, outputWidth, 0),
                Agreement = topK > 0 ? this : null,
            });
        }

        float* returned = Reserve(_returned, (long)sent * outputWidth);
        Scale(outputWidth * sizeof(float), stride * sizeof(float));
        Exchange(results, _here, returned, _there);
        Add(part, first, tokens, returned, to, topK);
    }

    // How many rows go to each rank, and come from each.
    private (int Sent, int Received) Count(LayerPart part, int first, int tokens, int topK)
    {
        int ranks = _collective.Ranks;
        int* counts = (int*)Reserve(_counts, 2L * ranks);
        int sent = 0;
        for (int rank = 0; rank < ranks; rank++)
        {
            int count = 0;
            for (int token = 0; token < tokens; token++)
            {
                count += part.Wants(rank, ExpertsOf(first + token, topK)) ? 1 : 0;
            }

            (counts[rank], _there[rank]) = (count, count);
            sent += count;
        }

        Exchange(counts, _wordBytes, counts + ranks, _wordBytes);
        int received = 0;
        for (int rank = 0; rank < ranks; rank++)
        {
            _here[rank] = counts[ranks + rank];
            received += _here[rank];
        }

        return (sent, received);
    }

    private void Pack(LayerPart part, int first, int tokens, float* from, float* row, int topK)
    {
        int width = part.Spec.InputWidth;
        for (int rank = 0; rank < _collective.Ranks; rank++)
        {
            for (int token = 0; token < tokens; token++)
            {
                ReadOnlySpan<int> experts = ExpertsOf(first + token, topK);
                if (part.Wants(rank, experts))
                {
                    RowKernel.Copy(row, from + ((long)token * width), width);
                    experts.CopyTo(new Span<int>(row + width, topK));
                    _weights.AsSpan((first + token) * topK, topK).CopyTo(new Span<float>(row + width + topK, topK));
                    row += width + (2 * topK);
                }
            }
        }
    }

    private void Add(LayerPart part, int first, int tokens, float* returned, float* to, int topK)
    {
        int width = part.Spec.OutputWidth;
        new Span<float>(to, checked(tokens * width)).Clear();
        for (int rank = 0; rank < _collective.Ranks; rank++)
        {
            for (int token = 0; token < tokens; token++)
            {
                if (part.Wants(rank, ExpertsOf(first + token, topK)))
                {
                    float* sum = to + ((long)token * width);
                    RowKernel.Add(sum, sum, returned, width);
                    returned += width;
                }
            }
        }
    }

    private ReadOnlySpan<int> ExpertsOf(int token, int topK) => _experts.AsSpan(token * topK, topK);

    // Counts of rows, or of bytes of other rows, become bytes.
    private void Scale(int bytes, int from = 1)
    {
        for (int rank = 0; rank < _there.Length; rank++)
        {
            _there[rank] = _there[rank] / from * bytes;
            _here[rank] = _here[rank] / from * bytes;
        }
    }

    private void Exchange(void* sent, int[] sentBytes, void* received, int[] receivedBytes)
    {
        (int there, int here) = (0, 0);
        for (int rank = 0; rank < sentBytes.Length; rank++)
        {
            there = checked(there + sentBytes[rank]);
            here = checked(here + receivedBytes[rank]);
        }

        _collective.AllToAll(new ReadOnlySpan<byte>(sent, there), sentBytes, new Span<byte>(received, here), receivedBytes);
    }

    private static float* Reserve(GrowingBuffer memory, long elements) => memory.Reserve(elements, "Rows between ranks");
}
