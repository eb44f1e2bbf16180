using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Layers;

/// <summary>A layer of one network.</summary>
internal sealed class NetworkLayer : DeviceLayer
{
    private readonly DeviceMemory _memory;

    private NetworkLayer(DeviceNetwork network, DeviceMemory memory, DeviceLifetime device)
        : base(device) => (Network, _memory) = (network, memory);

    /// <summary>The network.</summary>
    public DeviceNetwork Network { get; }

    /// <inheritdoc/>
    public override FfnSpec Spec => Network.Weights.Spec;

    /// <inheritdoc/>
    public override long WeightBytes => _memory.Region.Bytes;

    /// <inheritdoc/>
    public override double QuantizationError => Network.Weights.Error.Relative;

    /// <inheritdoc/>
    public override bool CanDecode => Network.CanDecode;

    /// <summary>Brings a layer to the device.</summary>
    public static NetworkLayer Load(FfnSpec spec, IFfnWeightSource source, NetworkLoader loader)
    {
        var places = new WeightPlaces(spec, loader.Format);
        DeviceMemory memory = loader.Allocate(places.Bytes, spec);
        try
        {
            return new NetworkLayer(loader.Load(places, source, memory.Region), memory, loader.Device);
        }
        catch
        {
            loader.Uploader.Abandon();
            memory.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override void Calibrate(DeviceLane lane, DecodeSwitch decode) => Network.DecodeTokens = decode.Of(lane, Network);

    /// <inheritdoc/>
    public override void Tune(DeviceLane lane, int tokens)
    {
        foreach (int count in ChunksOf(tokens, fromHost: true).Union(ChunksOf(tokens, fromHost: false)))
        {
            if (count > Network.DecodeTokens)
            {
                TuneChunk(lane, count);
            }
        }

        lane.Stream.Synchronize();
    }

    /// <inheritdoc/>
    public override int ChunkTokens(int tokens, bool fromHost) => DeviceScratch.ChunkTokens(Network.Weights, tokens, fromHost);

    /// <inheritdoc/>
    public override long ScratchBytes(int tokens, bool fromHost) => DeviceScratch.BytesOf(Network.Weights, tokens, fromHost);

    /// <inheritdoc/>
    public override void Run(DeviceLane lane, in FfnRows rows) => HostForward.Run(lane, this, rows);

    /// <inheritdoc/>
    public override ValueTask RunAsync(DeviceLane lane, FfnMemoryRows rows, CancellationToken cancellationToken) =>
        HostForward.RunAsync(lane, this, rows, cancellationToken);

    /// <inheritdoc/>
    public override void Queue(in DeviceRun run)
    {
        int chunkTokens = ChunkTokens(run.Tokens, run.FromHost);
        for (int first = 0; first < run.Tokens; first += chunkTokens)
        {
            int count = Math.Min(chunkTokens, run.Tokens - first);
            DeviceForward.Queue(new DeviceChunk
            {
                Lane = run.Lane,
                Network = Network,
                Scratch = DeviceScratch.In(run.Lane, Network.Weights, count, run.FromHost),
                Tokens = count,
                Input = run.Input.From(first),
                Residual = run.Residual.From(first),
                Output = run.Output.From(first),
                IsBlock = run.IsBlock,
                Clock = run.Clock,
            });
        }
    }

    // Tokens of the chunks that a forward is run in: of all but the last, and of that.
    private IEnumerable<int> ChunksOf(int tokens, bool fromHost)
    {
        int chunk = ChunkTokens(tokens, fromHost);
        int rest = tokens % chunk;
        return rest == 0 ? [chunk] : [chunk, rest];
    }

    // In every mode whose products differ.
    private void TuneChunk(DeviceLane lane, int tokens)
    {
        DeviceScratch scratch = DeviceScratch.ForMeasuring(lane, Network.Weights, tokens);
        DeviceForward.QueueProducts(DeviceChunk.OnScratch(lane, Network, scratch, tokens, FfnMode.Ffn, tunes: true));
        if (Spec.KeepsWidth)
        {
            DeviceForward.QueueProducts(DeviceChunk.OnScratch(lane, Network, scratch, tokens, FfnMode.Residual, tunes: true));
        }

        if (Spec.BranchNorm is not null || Spec.PostNorm is not null)
        {
            DeviceForward.QueueProducts(DeviceChunk.OnScratch(lane, Network, scratch, tokens, FfnMode.Block, tunes: true));
        }
    }

    /// <inheritdoc/>
    protected override void Free()
    {
        Network.Plans.Dispose();
        _memory.Dispose();
    }
}
