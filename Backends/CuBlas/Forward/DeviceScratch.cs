using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Where the rows of one chunk of tokens lie in a lane's memory.</summary>
internal readonly struct DeviceScratch
{
    // Device memory that a lane's hidden rows may take: enough for 5000 tokens of a 7B model's layer in bf16, where products are as fast as they get.
    private const long MostBytes = 512L * 1024 * 1024;

    // The grids that have a row for each token may have 65535 of them; and no larger a product is any faster.
    private const int MostTokens = 8192;

    // Pinned memory is taken from everybody: a lane's rows on the host stay within this, where one token's do.
    private const long MostHostBytes = 64L * 1024 * 1024;

    // Four of these bytes are 0.046 in float32.
    private const byte SmallNumbers = 0x3d;

    private readonly DeviceRegion _memory;
    private readonly Places _places;

    private DeviceScratch(DeviceRegion memory, in Places places) => (_memory, _places) = (memory, places);

    /// <summary>What a hidden stage's projection gives, <c>[tokens, projections × padded width]</c>.</summary>
    public DeviceRegion Products => Part(_places.Products);

    /// <summary>float32 rows of the last projection where something follows it, <c>[tokens, padded width]</c>.</summary>
    public DeviceRegion Result => Part(_places.Result);

    /// <summary>Rows from the host, one behind the other.</summary>
    public DeviceRegion Input => Part(_places.Host.Input);

    /// <summary>Rows to add, from the host.</summary>
    public DeviceRegion Residual => Part(_places.Host.Residual);

    /// <summary>Rows for the host.</summary>
    public DeviceRegion Output => Part(_places.Host.Output);

    /// <summary>Tokens that are run at a time.</summary>
    /// <param name="weights">The layer.</param>
    /// <param name="tokens">Tokens of the forward; positive.</param>
    /// <param name="fromHost">Whether rows come from the host.</param>
    public static int ChunkTokens(DeviceWeights weights, int tokens, bool fromHost)
    {
        // What a token takes; alignment between parts is small change.
        return ChunkTokens(weights.Spec, Layout(weights, 1, fromHost, out _), tokens, fromHost);
    }

    /// <summary>Tokens that are run at a time of a layer of which one takes so many bytes.</summary>
    public static int ChunkTokens(FfnSpec spec, long bytesOfToken, int tokens, bool fromHost)
    {
        long most = Math.Clamp(MostBytes / bytesOfToken, 1, MostTokens);
        if (fromHost)
        {
            most = Math.Clamp(MostHostBytes / (HostElements(spec, 1) * sizeof(float)), 1, most);
        }

        // Even chunks: a small last one would be as slow as a larger one.
        long chunks = (tokens + most - 1) / most;
        return (int)((tokens + chunks - 1) / chunks);
    }

    /// <summary>Floats of the pinned memory: input, residual and output.</summary>
    public static long HostElements(FfnSpec spec, int tokens) => checked((long)tokens * (spec.InputWidth + (2L * spec.OutputWidth)));

    /// <summary>Makes room in a lane.</summary>
    public static DeviceScratch In(DeviceLane lane, DeviceWeights weights, int tokens, bool fromHost)
    {
        DeviceRegion memory = lane.Reserve(Layout(weights, tokens, fromHost, out Places places));
        return new DeviceScratch(memory, places);
    }

    /// <summary>
    /// Makes room for measuring, with small numbers as input: what was there before may be none, and products of zeros take less power, and
    /// so less time.
    /// </summary>
    public static DeviceScratch ForMeasuring(DeviceLane lane, DeviceWeights weights, int tokens)
    {
        DeviceScratch scratch = In(lane, weights, tokens, fromHost: true);
        lane.Stream.Fill(scratch.Input, SmallNumbers);
        return scratch;
    }

    /// <summary>Lies in memory of a lane's that was made large enough, without rows of the host's.</summary>
    public static DeviceScratch Within(DeviceRegion memory, DeviceWeights weights, int tokens)
    {
        _ = Layout(weights, tokens, fromHost: false, out Places places);
        return new DeviceScratch(memory, places);
    }

    /// <summary>What a projection reads, <c>[tokens, padded width]</c>, with a scale a token; the two slots take turns from stage to stage.</summary>
    /// <param name="slot">0 or 1.</param>
    public OperandRows Slot(int slot) => slot == 0
        ? new OperandRows(Part(_places.Operands), 0, Part(_places.Scales))
        : new OperandRows(Part(_places.OtherOperands), 0, Part(_places.OtherScales));

    /// <summary>Bytes of a lane's memory.</summary>
    public static long BytesOf(DeviceWeights weights, int tokens, bool fromHost) => Layout(weights, tokens, fromHost, out _);

    private DeviceRegion Part((long Offset, long Bytes) place) => DeviceLayout.Part(_memory, place);

    private static long Layout(DeviceWeights weights, int tokens, bool fromHost, out Places places)
    {
        FfnSpec spec = weights.Spec;
        DeviceFormat format = weights.Format;
        long operandColumns = 0;
        long productColumns = 0;
        foreach (DeviceStage stage in weights.Stages)
        {
            operandColumns = Math.Max(operandColumns, stage.Columns);
            productColumns = Math.Max(productColumns, stage.Rows);
        }

        // The decode kernels' vectors lie in the operands' place, and are no narrower.
        int operandBytes = Math.Max(format.OperandBytes, format.ProductBytes);
        int scaled = format.IsScaled ? tokens : 0;
        var layout = default(DeviceLayout);
        places = new Places
        {
            Host = HostPlaces.Add(ref layout, spec, fromHost ? tokens : 0),
            Operands = layout.Add(tokens * operandColumns, operandBytes),
            OtherOperands = layout.Add(tokens * operandColumns, operandBytes),
            Scales = layout.Add(scaled, sizeof(float)),
            OtherScales = layout.Add(scaled, sizeof(float)),
            Products = layout.Add(tokens * productColumns, format.ProductBytes),
            Result = layout.Add((long)tokens * DeviceFormat.Padded(spec.OutputWidth), sizeof(float)),
        };
        return layout.Bytes;
    }

    private struct Places
    {
        public (long Offset, long Bytes) Operands;
        public (long Offset, long Bytes) OtherOperands;
        public (long Offset, long Bytes) Scales;
        public (long Offset, long Bytes) OtherScales;
        public (long Offset, long Bytes) Products;
        public (long Offset, long Bytes) Result;
        public HostPlaces Host;
    }
}
