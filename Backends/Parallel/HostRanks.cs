using System.Runtime.InteropServices;
using NativeFfn.Backends.Cpu.Memory;

namespace NativeFfn.Backends.Parallel;

/// <summary>
/// A rank's parts run in the host's memory: the leading rank's rows are broadcast, and each pair's results are added up. Where tokens go in
/// chunks, rows of the next ones and sums of those before are under way while one is computed. For one forward at a time.
/// </summary>
/// <remarks>
/// Operations begin and end in one order on all ranks, that of chunks, so that each is waited for where its rows are needed. A forward that
/// fails with one under way fails the group, whose memory is kept then; the leading rank writes outputs once all have ended.
/// </remarks>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Design", "CA1001", Justification = "The group owns the memory: it frees it when it is left, and never where it has failed.")]
internal sealed unsafe class HostRanks : IRouteAgreement
{
    private readonly MeteredCollective _collective;
    private readonly GrowingBuffer _even = new();
    private readonly GrowingBuffer _odd = new();
    private readonly GrowingBuffer _routes = new();
    private bool _refused;

    /// <summary>Makes what a group's forwards share.</summary>
    public HostRanks(MeteredCollective collective)
    {
        _collective = collective;
        collective.Keep(_even);
        collective.Keep(_odd);
        collective.Keep(_routes);
    }

    /// <summary>The most chunks that so many tokens can go in.</summary>
    public static int MostChunks(ParallelLayer layer, int tokens) =>
        layer.Spec.Mixture is null && (long)tokens * layer.Width <= int.MaxValue / sizeof(float) ? Math.Min(tokens, ICollective.MostPending) : 1;

    /// <summary>Writes the leading rank's rows as the network reads them; the others need not know yet.</summary>
    public void Prepare(ParallelLayer layer, in FfnRows rows, in RowPlaces places)
    {
        int tokens = rows.Input.Height;
        layer.Block.Prepare(rows, places.Input, 0, tokens, Reserve(_even, layer, tokens));
    }

    /// <summary>Runs rows that were prepared; the others were told.</summary>
    public void Lead(ParallelLayer layer, in FfnRows rows, in RowPlaces places, int chunks)
    {
        int tokens = rows.Input.Height;
        float* result = RunParts(layer, tokens, chunks, rows.Profile);

        // Where the result is not there is room.
        float* scratch = Reserve(result == Reserve(_even, layer, 0) ? _odd : _even, layer, 0);
        layer.Block.Finish(rows, places, 0, tokens, result, scratch);
    }

    /// <summary>Runs another rank's part of the leading rank's rows.</summary>
    public void Serve(ParallelLayer layer, int tokens, int chunks)
    {
        try
        {
            RunParts(layer, tokens, chunks, null);
        }
        catch (ArgumentException) when (_refused)
        {
            // The leader has the same exception, and a caller for it.
        }
    }

    /// <inheritdoc/>
    public int Agree(Span<int> experts, Span<float> weights, int unroutable)
    {
        _collective.Broadcast(MemoryMarshal.AsBytes(new Span<int>(ref unroutable)), root: 0);
        _refused = unroutable != int.MaxValue;
        if (!_refused)
        {
            float* routes = _routes.Reserve((long)experts.Length + weights.Length, "Routes between ranks of a mixture");
            var toExperts = new Span<int>(routes, experts.Length);
            var withWeights = new Span<float>(routes + experts.Length, weights.Length);
            experts.CopyTo(toExperts);
            weights.CopyTo(withWeights);
            _collective.BroadcastRows(routes, (long)experts.Length + weights.Length);
            toExperts.CopyTo(experts);
            withWeights.CopyTo(weights);
        }

        return unroutable;
    }

    private static float* Reserve(GrowingBuffer buffer, ParallelLayer layer, int tokens) =>
        buffer.Reserve((long)tokens * layer.Width, "Rows between ranks", layer.Spec);

    // Rows go to and fro between two places; every part but a sum's is computed alike on all ranks.
    private float* RunParts(ParallelLayer layer, int tokens, int chunks, FfnProfile? profile)
    {
        _refused = false;
        try
        {
            float* rows = Reserve(_even, layer, tokens);
            float* other = Reserve(_odd, layer, tokens);
            bool isUnderWay = Broadcast(rows, tokens, layer.Spec.InputWidth, chunks);
            foreach ((ILoadedLayer loaded, LayerPart part) in layer.Parts)
            {
                for (int chunk = 0; chunk < chunks; chunk++)
                {
                    Cut some = Cut.Of(tokens, 1, chunk, chunks);
                    if (isUnderWay)
                    {
                        _collective.Finish();
                    }

                    float* output = other + ((long)some.First * part.Spec.OutputWidth);
                    loaded.Run(new FfnRows
                    {
                        Input = new(rows + ((long)some.First * part.Spec.InputWidth), some.Count, part.Spec.InputWidth, 0),
                        Output = new(output, some.Count, part.Spec.OutputWidth, 0),
                        Mode = FfnMode.Ffn,
                        Profile = profile,
                        Agreement = this,
                    });
                    if (part.IsSum)
                    {
                        AddUp(output, (long)some.Count * part.Spec.OutputWidth, chunks);
                    }
                }

                isUnderWay = part.IsSum && chunks > 1;
                float* free = rows;
                rows = other;
                other = free;
            }

            for (int chunk = 0; isUnderWay && chunk < chunks; chunk++)
            {
                _collective.Finish();
            }

            return rows;
        }
        catch (Exception exception) when (!_refused && exception is not CollectiveFailedException)
        {
            _collective.Abort(exception.Message);
            throw;
        }
    }

    // Whether they are under way, chunk by chunk.
    private bool Broadcast(float* rows, int tokens, int width, int chunks)
    {
        if (chunks == 1)
        {
            _collective.BroadcastRows(rows, (long)tokens * width);
            return false;
        }

        for (int chunk = 0; chunk < chunks; chunk++)
        {
            Cut some = Cut.Of(tokens, 1, chunk, chunks);
            _collective.StartBroadcast(rows + ((long)some.First * width), some.Count * width, root: 0);
        }

        return true;
    }

    private void AddUp(float* rows, long elements, int chunks)
    {
        if (chunks == 1)
        {
            _collective.AllReduceRows(rows, elements);
        }
        else
        {
            _collective.StartAllReduce(rows, (int)elements);
        }
    }
}
