using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>A slot's memory for the rows of one chunk of a layer's tokens.</summary>
internal readonly struct ForwardScratch
{
    // Device memory that a slot's hidden rows may take: enough for 5000 tokens of a 7B model's layer in bf16, where GEMMs are at their best.
    private const long MostBytes = 512L * 1024 * 1024;

    // The grids that have a row for each token may have 65535 of them; and no larger a GEMM is any faster.
    private const int MostTokens = 8192;

    // Pinned memory is taken from everybody: a slot's rows on the host stay within this, where one token's do.
    private const long MostHostBytes = 64L * 1024 * 1024;

    /// <summary>Rows from the host, one behind the other.</summary>
    public DeviceRegion Input { get; private init; }

    /// <summary>Rows to add, from the host.</summary>
    public DeviceRegion Residual { get; private init; }

    /// <summary>Rows for the host.</summary>
    public DeviceRegion Output { get; private init; }

    /// <summary>The rows that a mixture's router and experts see, where they are not the input itself; rows of <see cref="StrideOf"/>.</summary>
    public DeviceRegion Rows { get; private init; }

    /// <summary>One logit for each token and expert, and one for the shared network's gate.</summary>
    public DeviceRegion Logits { get; private init; }

    /// <summary>The routing of tokens, as <see cref="RoutingTables"/> has it.</summary>
    public DeviceRegion Tables { get; private init; }

    /// <summary>The rows that go to experts, sorted by expert, and then what the experts make of them; rows of <see cref="StrideOf"/>.</summary>
    public DeviceRegion Routed { get; private init; }

    /// <summary>The shared network's results for all tokens; rows of <see cref="StrideOf"/>.</summary>
    public DeviceRegion Shared { get; private init; }

    /// <summary>Memory of one network at a time.</summary>
    public DeviceRegion Network { get; private init; }

    /// <summary>Lays out a chunk in memory of at least <see cref="BytesOf"/>.</summary>
    /// <param name="memory">The memory.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="tokens">Tokens of the chunk.</param>
    /// <param name="fromHost">Whether rows come from the host, so that the memory begins with them.</param>
    public static ForwardScratch In(DeviceRegion memory, DeviceLayer layer, int tokens, bool fromHost)
    {
        var layout = default(DeviceLayout);
        return Add(ref layout, memory, layer, tokens, fromHost);
    }

    /// <summary>Bytes that a chunk needs.</summary>
    /// <inheritdoc cref="In" path="/param"/>
    public static long BytesOf(DeviceLayer layer, int tokens, bool fromHost)
    {
        var layout = default(DeviceLayout);
        _ = Add(ref layout, null, layer, tokens, fromHost);
        return layout.Bytes;
    }

    /// <summary>Tokens that are run at a time.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="tokens">Tokens of the forward; positive.</param>
    /// <param name="fromHost">Whether rows come from the host.</param>
    public static int ChunkTokens(DeviceLayer layer, int tokens, bool fromHost)
    {
        // A token's bytes; alignment between parts is small change.
        long most = Math.Clamp(MostBytes / BytesOf(layer, 1, fromHost), 1, MostTokens);
        if (fromHost)
        {
            most = Math.Clamp(MostHostBytes / (HostElements(layer.Spec, 1) * sizeof(float)), 1, most);
        }

        // Even chunks: a small last one would be as slow as a larger one.
        long chunks = (tokens + most - 1) / most;
        return (int)((tokens + chunks - 1) / chunks);
    }

    /// <summary>The token counts of the chunks that a forward is run in: of all but the last, and of that.</summary>
    /// <inheritdoc cref="ChunkTokens" path="/param"/>
    public static int[] ChunksOf(DeviceLayer layer, int tokens, bool fromHost)
    {
        int chunk = ChunkTokens(layer, tokens, fromHost);
        int rest = tokens % chunk;
        return rest == 0 ? [chunk] : [chunk, rest];
    }

    /// <summary>Floats of the pinned memory: input, residual and output.</summary>
    public static long HostElements(FfnSpec spec, int tokens) => checked((long)tokens * (spec.InputWidth + (2L * spec.OutputWidth)));

    /// <summary>Elements from one row to the next: every row is aligned alike, so that GEMMs are planned once wherever an expert's rows begin.</summary>
    public static int StrideOf(FfnSpec spec)
    {
        const int Elements = DeviceLayout.Alignment / sizeof(float);
        return checked(spec.InputWidth + Elements - 1) / Elements * Elements;
    }

    private static ForwardScratch Add(ref DeviceLayout layout, DeviceRegion? memory, DeviceLayer layer, int tokens, bool fromHost)
    {
        DeviceMixture? mixture = layer.Mixture;
        long stride = mixture is null ? 0 : StrideOf(layer.Spec);
        long network = NetworkScratch.BytesOf(layer.Networks[0], tokens);
        foreach (DeviceNetwork? other in (ReadOnlySpan<DeviceNetwork?>)[mixture?.Router, mixture?.Shared])
        {
            network = other is null ? network : Math.Max(network, NetworkScratch.BytesOf(other, tokens));
        }

        HostLayout host = HostLayout.Add(ref layout, layer.Spec, fromHost ? tokens : 0);
        return new ForwardScratch
        {
            Input = In(host.Input),
            Residual = In(host.Residual),
            Output = In(host.Output),
            Rows = In(layout.Add(tokens * stride, sizeof(float))),
            Logits = In(layout.Add((long)tokens * (mixture?.LogitStride ?? 0), sizeof(float))),
            Tables = In(layout.Add(mixture is null ? 0 : RoutingTables.WordsOf(mixture.Spec, tokens), sizeof(int))),
            Routed = In(layout.Add(checked(tokens * stride * (mixture?.Spec.TopK ?? 0)), sizeof(float))),
            Shared = In(layout.Add(mixture?.Shared is null ? 0 : tokens * stride, sizeof(float))),
            Network = In(layout.Add(network, 1)),
        };

        DeviceRegion In(MemoryPart part) => memory is { } given ? part.In(given) : default;
    }
}
