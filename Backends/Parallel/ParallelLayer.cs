using System.Collections.Immutable;

namespace NativeFfn.Backends.Parallel;

/// <summary>A rank's part of a layer, and on the leading rank what is around it. Forwards of a group run one after the other.</summary>
/// <param name="group">The group.</param>
/// <param name="number">The layer's number, alike on all ranks.</param>
/// <param name="chunks">How many chunks of tokens its forwards go in.</param>
/// <param name="spec">The whole layer.</param>
/// <param name="parts">What this rank runs.</param>
/// <param name="block">What is around it.</param>
/// <param name="router">Chooses the experts of this rank's own tokens; null where there are none.</param>
internal sealed class ParallelLayer(
    ParallelBackend group, int number, ChunkTrials chunks, FfnSpec spec, ImmutableArray<(ILoadedLayer Layer, LayerPart Part)> parts,
    BlockRows block, RankRouter? router) : ILoadedLayer
{
    /// <summary>The layer's number.</summary>
    public int Number => number;

    /// <summary>How many chunks of tokens its forwards go in, which the leading rank decides.</summary>
    public ChunkTrials Chunks => chunks;

    /// <summary>The whole layer.</summary>
    public FfnSpec Spec => spec;

    /// <summary>What this rank runs, one after the other.</summary>
    public ImmutableArray<(ILoadedLayer Layer, LayerPart Part)> Parts => parts;

    /// <summary>The widest rows that go between ranks.</summary>
    public int Width { get; } = Math.Max(spec.InputWidth, parts.Max(static part => part.Part.Spec.OutputWidth));

    /// <summary>What is around the network.</summary>
    public BlockRows Block => block;

    /// <summary>Chooses the experts of this rank's own tokens; null where there are none.</summary>
    public RankRouter? Router => router;

    /// <summary>Whether it was disposed; looked at by whoever has the group to himself.</summary>
    public bool IsDisposed { get; private set; }

    /// <inheritdoc/>
    public long WeightBytes => parts.Sum(static part => part.Layer.WeightBytes);

    /// <inheritdoc/>
    public double QuantizationError => parts.Max(static part => part.Layer.QuantizationError);

    /// <inheritdoc/>
    public string Encodings => string.Join('+', parts.SelectMany(static part => part.Layer.Encodings.Split('+'))
        .Distinct().Order(StringComparer.Ordinal));

    /// <inheritdoc/>
    public string Gemms => string.Join("; ", parts.Select(static part => part.Layer.Gemms).Distinct());

    /// <inheritdoc/>
    public string Placement => string.Join("; ", parts.Select(static part => part.Layer.Placement).Where(static placement => placement.Length > 0));

    /// <inheritdoc/>
    public int ThreadsOf(int tokens) => parts.Max(part => part.Layer.ThreadsOf(tokens));

    /// <inheritdoc/>
    public void ReadExpertTokens(Span<long> counts) => parts[0].Layer.ReadExpertTokens(counts);

    /// <inheritdoc/>
    public void Run(in FfnRows rows)
    {
        if (rows.Trace is not null)
        {
            throw new NotSupportedException("Inner values of a layer that is cut over ranks lie on all of them. Trace it on one rank.");
        }

        group.Lead(this, rows);
    }

    /// <inheritdoc/>
    public void RunTogether(in FfnRows rows) => group.RunTogether(this, rows);

    /// <inheritdoc/>
    public ValueTask RunAsync(FfnMemoryRows rows, CancellationToken cancellationToken) =>
        new(Task.Run(() => Run(rows.Rows), cancellationToken));

    /// <inheritdoc/>
    public void Dispose() => group.Release(this);

    /// <summary>Frees this rank's weights.</summary>
    public void Free()
    {
        IsDisposed = true;
        block.Dispose();
        router?.Dispose();
        foreach ((ILoadedLayer layer, _) in parts)
        {
            layer.Dispose();
        }
    }
}
