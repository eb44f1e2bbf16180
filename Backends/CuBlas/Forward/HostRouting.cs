using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>The host's part in routing: logits come in, tables go out. For one forward at a time; allocates nothing once the buffers have grown.</summary>
internal sealed unsafe class HostRouting(DeviceAllocator allocator) : IDisposable
{
    // Logits of one chunk, and behind them its tables.
    private readonly PinnedRows _memory = new(allocator);
    private float[] _gates = [];
    private long _tablesAt;
    private int _unroutable;

    /// <summary>The routes of all tokens of a forward.</summary>
    public TokenRoutes Routes { get; } = new();

    /// <summary>Receives a chunk's logits, in pinned memory.</summary>
    public float* Logits => _memory.At(0);

    /// <summary>A chunk's tables, in pinned memory.</summary>
    public int* Tables => (int*)_memory.At(_tablesAt);

    /// <summary>Makes room for a forward.</summary>
    /// <param name="slot">Whose this is, which is waited for where memory moves.</param>
    /// <param name="layer">The mixture.</param>
    /// <param name="tokens">Tokens of the forward.</param>
    /// <param name="chunkTokens">Tokens of a chunk.</param>
    public void Reserve(StreamSlot slot, DeviceLayer layer, int tokens, int chunkTokens)
    {
        MixtureSpec mixture = layer.Mixture!.Spec;
        _unroutable = int.MaxValue;
        Routes.Reserve(mixture, tokens, chunkTokens);
        if (mixture.WeighsShared && _gates.Length < tokens)
        {
            _gates = new float[tokens];
        }

        _tablesAt = (long)chunkTokens * layer.Mixture!.LogitStride;
        long bytes = checked((_tablesAt + RoutingTables.WordsOf(mixture, chunkTokens)) * sizeof(float));
        if (_memory.Bytes < bytes)
        {
            // A forward on the device's rows may still be reading the former tables.
            using (slot.Context.Enter())
            {
                slot.Stream.Synchronize();
            }

            _memory.Reserve(bytes);
        }
    }

    /// <summary>Chooses experts for a chunk whose logits have come in.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="trace">Receives the choice where one is given.</param>
    public void Choose(in LayerChunk chunk, FfnRoutingTrace? trace)
    {
        MixtureSpec mixture = chunk.Layer.Mixture!.Spec;
        int stride = chunk.Layer.Mixture!.LogitStride;
        for (int i = 0; i < chunk.Run.Tokens; i++)
        {
            int token = chunk.FirstToken + i;
            var logits = new Span<float>(Logits + ((long)i * stride), stride);
            Span<int> experts = Routes.ExpertsOf(token);
            Span<float> weights = Routes.WeightsOf(token);
            DeviceMixture device = chunk.Layer.Mixture!;
            if (!Router.TryChoose(mixture, logits[..mixture.Experts], device.RouterBias, device.SelectionBias, experts, weights))
            {
                _unroutable = Math.Min(_unroutable, token);
                continue;
            }

            if (mixture.WeighsShared)
            {
                _gates[token] = mixture.SharedFactor * (mixture.HasSharedGate ? Router.Sigmoid(logits[mixture.Experts]) : 1);
            }

            trace?.Set(token, logits[..mixture.Experts], experts, weights);
        }
    }

    /// <summary>Fails where a token could not be routed.</summary>
    /// <exception cref="ArgumentException">The logits of a token, the first of which is named, are not all finite.</exception>
    public void ThrowIfUnroutable()
    {
        if (_unroutable != int.MaxValue)
        {
            throw Router.Unroutable(_unroutable);
        }
    }

    /// <summary>Sorts a chunk's tokens by expert, and writes its tables; nothing may be reading the former ones.</summary>
    public void WriteTables(in LayerChunk chunk)
    {
        MixtureSpec mixture = chunk.Layer.Mixture!.Spec;
        RoutingTables tables = chunk.Tables;
        Routes.Sort(mixture.Experts, chunk.FirstToken, chunk.Run.Tokens);
        int* tokens = Tables + RoutingTables.TokensAt;
        for (int expert = 0; expert < mixture.Experts; expert++)
        {
            ReadOnlySpan<int> sent = Routes.TokensOf(expert);
            sent.CopyTo(new Span<int>(tokens + Routes.StartOf(expert), sent.Length));
        }

        int topK = mixture.TopK;
        for (int i = 0; i < chunk.Run.Tokens; i++)
        {
            Routes.RowsOf(i).CopyTo(new Span<int>(Tables + tables.RowsAt + ((long)i * topK), topK));
            Routes.WeightsOf(chunk.FirstToken + i).CopyTo(new Span<float>(Tables + tables.WeightsAt + ((long)i * topK), topK));
        }

        if (mixture.WeighsShared)
        {
            _gates.AsSpan(chunk.FirstToken, chunk.Run.Tokens).CopyTo(new Span<float>(Tables + tables.GatesAt, chunk.Run.Tokens));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();
}
