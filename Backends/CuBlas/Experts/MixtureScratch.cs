using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Experts;

/// <summary>Where the rows of one chunk of a mixture's tokens lie in a lane's memory.</summary>
internal readonly struct MixtureScratch
{
    private readonly DeviceRegion _memory;
    private readonly Places _places;

    private MixtureScratch(DeviceRegion memory, in Places places) => (_memory, _places) = (memory, places);

    /// <summary>Rows from the host, one behind the other.</summary>
    public DeviceRegion Input => Part(_places.Host.Input);

    /// <summary>Rows to add, from the host.</summary>
    public DeviceRegion Residual => Part(_places.Host.Residual);

    /// <summary>Rows for the host.</summary>
    public DeviceRegion Output => Part(_places.Host.Output);

    /// <summary>What router and experts see, where it is not the input itself; rows of <see cref="StrideOf"/>.</summary>
    public DeviceRegion Rows => Part(_places.Rows);

    /// <summary>One logit for each token and expert, and one for the shared network's gate; rows of <see cref="LogitStrideOf"/>.</summary>
    public DeviceRegion Logits => Part(_places.Logits);

    /// <summary>Where tokens go, as <see cref="RoutingTables"/> has it.</summary>
    public DeviceRegion Tables => Part(_places.Tables);

    /// <summary>The rows that go to experts, sorted by expert, and in their place what the experts make of them; rows of <see cref="StrideOf"/>.</summary>
    public DeviceRegion Routed => Part(_places.Routed);

    /// <summary>What the shared network makes of all tokens; rows of <see cref="StrideOf"/>.</summary>
    public DeviceRegion Shared => Part(_places.Shared);

    /// <summary>What one network at a time needs for all tokens.</summary>
    public DeviceRegion Network => Part(_places.Network);

    /// <summary>Elements from one row to the next: every row is aligned alike, so that products are planned once wherever an expert's rows begin.</summary>
    public static int StrideOf(FfnSpec spec)
    {
        const int Elements = DeviceLayout.Alignment / sizeof(float);
        return checked(spec.InputWidth + Elements - 1) / Elements * Elements;
    }

    /// <summary>Elements from one token's logits to the next one's.</summary>
    public static int LogitStrideOf(MixtureWeights weights) => weights.Router.Weights.Stages[0].PaddedWidth;

    /// <summary>Makes room in a lane.</summary>
    public static MixtureScratch In(DeviceLane lane, MixtureWeights weights, int tokens, bool fromHost)
    {
        DeviceRegion memory = lane.Reserve(Layout(weights, tokens, fromHost, out Places places));
        return new MixtureScratch(memory, places);
    }

    /// <summary>Bytes of a lane's memory.</summary>
    public static long BytesOf(MixtureWeights weights, int tokens, bool fromHost) => Layout(weights, tokens, fromHost, out _);

    private DeviceRegion Part((long Offset, long Bytes) place) => DeviceLayout.Part(_memory, place);

    private static long Layout(MixtureWeights weights, int tokens, bool fromHost, out Places places)
    {
        FfnSpec spec = weights.Spec;
        long stride = StrideOf(spec);
        long network = DeviceScratch.BytesOf(weights.Experts[0].Weights, tokens, fromHost: false);
        if (weights.Shared is { } shared)
        {
            network = Math.Max(network, DeviceScratch.BytesOf(shared.Weights, tokens, fromHost: false));
        }

        var layout = default(DeviceLayout);
        places = new Places
        {
            Host = HostPlaces.Add(ref layout, spec, fromHost ? tokens : 0),
            Rows = layout.Add(tokens * stride, sizeof(float)),
            Logits = layout.Add((long)tokens * LogitStrideOf(weights), sizeof(float)),
            Tables = layout.Add(RoutingTables.WordsOf(spec.Mixture!, tokens), sizeof(int)),
            Routed = layout.Add(checked(tokens * stride * spec.Mixture!.TopK), sizeof(float)),
            Shared = layout.Add(weights.Shared is null ? 0 : tokens * stride, sizeof(float)),
            Network = layout.Add(network, 1),
        };
        return layout.Bytes;
    }

    private struct Places
    {
        public HostPlaces Host;
        public (long Offset, long Bytes) Rows;
        public (long Offset, long Bytes) Logits;
        public (long Offset, long Bytes) Tables;
        public (long Offset, long Bytes) Routed;
        public (long Offset, long Bytes) Shared;
        public (long Offset, long Bytes) Network;
    }
}
