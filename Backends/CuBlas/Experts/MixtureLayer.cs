using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Backends.CuBlas.Layers;

namespace NativeFfn.Backends.CuBlas.Experts;

/// <summary>A mixture of experts.</summary>
internal sealed class MixtureLayer : DeviceLayer
{
    private MixtureLayer(MixtureWeights weights, DeviceLifetime device)
        : base(device) => Weights = weights;

    /// <summary>The weights.</summary>
    public MixtureWeights Weights { get; }

    /// <inheritdoc/>
    public override FfnSpec Spec => Weights.Spec;

    /// <inheritdoc/>
    public override long WeightBytes => Weights.Memory.Region.Bytes;

    /// <inheritdoc/>
    public override double QuantizationError => Weights.Error.Relative;

    /// <inheritdoc/>
    public override bool CanDecode => true;

    /// <summary>Brings a mixture to the device.</summary>
    public static MixtureLayer Load(FfnSpec spec, IFfnWeightSource source, NetworkLoader loader)
    {
        var weights = new MixtureWeights(spec, source, loader);
        try
        {
            return new MixtureLayer(weights, loader.Device);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override void ReadExpertTokens(Span<long> counts) => Weights.Tokens.Read(counts);

    /// <inheritdoc/>
    public override void Calibrate(DeviceLane lane, DecodeSwitch decode)
    {
        int tokens = decode.Of(lane, Weights.Experts[0]);
        foreach (DeviceNetwork expert in Weights.Experts)
        {
            expert.DecodeTokens = tokens;
        }

        if (Weights.Shared is { } shared)
        {
            shared.DecodeTokens = decode.Of(lane, shared);
        }
    }

    /// <inheritdoc/>
    public override int ChunkTokens(int tokens, bool fromHost) =>
        DeviceScratch.ChunkTokens(Spec, MixtureScratch.BytesOf(Weights, 1, fromHost), tokens, fromHost);

    /// <inheritdoc/>
    public override long ScratchBytes(int tokens, bool fromHost) => MixtureScratch.BytesOf(Weights, tokens, fromHost);

    /// <inheritdoc/>
    public override void Run(DeviceLane lane, in FfnRows rows) => HostMixture.Run(lane, this, rows);

    /// <inheritdoc/>
    public override ValueTask RunAsync(DeviceLane lane, FfnMemoryRows rows, CancellationToken cancellationToken) =>
        HostMixture.RunAsync(lane, this, rows, cancellationToken);

    /// <inheritdoc/>
    public override void Queue(in DeviceRun run)
    {
        if (run.Lane.Stream.IsCapturing)
        {
            throw new NotSupportedException("A mixture of experts cannot be captured: its tokens are routed on the host. Capture the layers around it.");
        }

        int chunkTokens = ChunkTokens(run.Tokens, run.FromHost);
        run.Lane.Routing.Reserve(run.Lane, this, run.Tokens, chunkTokens);
        for (int first = 0; first < run.Tokens; first += chunkTokens)
        {
            MixtureChunk chunk = Chunk(run, first, chunkTokens);
            MixtureForward.QueueLogits(chunk, trace: null);
            run.Lane.Stream.Synchronize();
            run.Lane.Routing.Choose(chunk, trace: null);
        }

        run.Lane.Routing.ThrowIfUnroutable();
        for (int first = 0; first < run.Tokens; first += chunkTokens)
        {
            MixtureChunk chunk = Chunk(run, first, chunkTokens);
            if (chunkTokens < run.Tokens)
            {
                // The tables of the chunk before are still on their way.
                run.Lane.Stream.Synchronize();
                MixtureForward.QueueRows(chunk);
            }

            MixtureForward.QueueExperts(chunk);
        }
    }

    /// <inheritdoc/>
    protected override void Free()
    {
        Weights.Dispose();
    }

    private MixtureChunk Chunk(in DeviceRun run, int first, int chunkTokens)
    {
        int count = Math.Min(chunkTokens, run.Tokens - first);
        return new MixtureChunk
        {
            Lane = run.Lane,
            Weights = Weights,
            Scratch = MixtureScratch.In(run.Lane, Weights, count, run.FromHost),
            FirstToken = first,
            Tokens = count,
            Input = run.Input.From(first),
            Residual = run.Residual.From(first),
            Output = run.Output.From(first),
            IsBlock = run.IsBlock,
            Clock = run.Clock,
        };
    }
}
