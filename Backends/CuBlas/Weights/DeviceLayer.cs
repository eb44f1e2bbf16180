using System.Collections.Immutable;
using System.Runtime.InteropServices;
using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Gemm;
using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Backends.Encodings;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Weights;

/// <summary>A layer on the device, of one network or of a mixture's. Holding a reference keeps its weights and the GEMMs planned for them.</summary>
internal sealed class DeviceLayer : SafeHandle
{
    // There is no one native handle; any value but 0 stands for all of them.
    private const nint Open = 1;

    private readonly DeviceLifetime _device;
    private readonly DeviceMemory _memory;

    /// <summary>Takes over a layer's memory.</summary>
    public DeviceLayer(FfnSpec spec, DeviceMemory memory, DeviceLifetime device)
        : base(0, ownsHandle: true)
    {
        Spec = spec;
        WeightBytes = memory.Region.Bytes;
        _memory = memory;
        _device = device.Held();
        SetHandle(Open);
    }

    /// <summary>The layer.</summary>
    public FfnSpec Spec { get; }

    /// <summary>Bytes of its weights.</summary>
    public long WeightBytes { get; }

    /// <summary>‖stored - given‖ / ‖given‖ of its matrices.</summary>
    public required double QuantizationError { get; init; }

    /// <summary>The encoding of its matrices.</summary>
    public required WeightEncoding Encoding { get; init; }

    /// <summary>The network of a dense layer, or every expert of a mixture.</summary>
    public required ImmutableArray<DeviceNetwork> Networks { get; init; }

    /// <summary>What routes tokens to networks; null where there is but one.</summary>
    public required DeviceMixture? Mixture { get; init; }

    /// <summary>The norms of a block.</summary>
    public required DeviceNorms Norms { get; init; }

    /// <summary>Tells asynchronous forwards when they are done.</summary>
    public DeviceCompletions Completions => _device.Completions;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Finds out for how many tokens the decode kernels are the faster ones.</summary>
    /// <param name="slot">Where they are timed; its context is entered.</param>
    /// <param name="decode">Measures.</param>
    public void Calibrate(StreamSlot slot, DecodeCrossover decode)
    {
        // Experts are alike.
        int tokens = decode.Of(slot, Networks[0]);
        foreach (DeviceNetwork network in Networks)
        {
            network.DecodeTokens = tokens;
        }

        if (Mixture?.Shared is { } shared)
        {
            shared.DecodeTokens = decode.Of(slot, shared);
        }
    }

    /// <summary>Times cuBLASLt's algorithms for the GEMMs of so many tokens; nothing where an expert's counts are only known when a forward runs.</summary>
    /// <param name="slot">Where they are timed; its context is entered.</param>
    /// <param name="tokens">Tokens of a forward; positive.</param>
    public void Tune(StreamSlot slot, int tokens)
    {
        if (Mixture is not null)
        {
            return;
        }

        IEnumerable<int> chunks = ForwardScratch.ChunksOf(this, tokens, fromHost: true)
            .Union(ForwardScratch.ChunksOf(this, tokens, fromHost: false));
        foreach (int count in chunks.Where(count => count > Networks[0].DecodeTokens))
        {
            // In every mode whose GEMMs differ.
            DeviceGroup.Fill(slot, Networks[0], count);
            TuneChunk(slot, count, default, hasResidual: false);
            if (Spec.KeepsWidth)
            {
                TuneChunk(slot, count, default, hasResidual: true);
            }

            if (Norms.FollowResult)
            {
                TuneChunk(slot, count, Norms, hasResidual: true);
            }
        }

        slot.Stream.Synchronize();
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        Mixture?.Router.Plans.Dispose();
        Mixture?.Shared?.Plans.Dispose();

        // Where experts have their plans in common, all but the first disposal find none.
        foreach (DeviceNetwork network in Networks)
        {
            network.Plans.Dispose();
        }

        _memory.Dispose();
        _device.DangerousRelease();
        return true;
    }

    private void TuneChunk(StreamSlot slot, int tokens, DeviceNorms norms, bool hasResidual) =>
        GroupForward.QueueGemms(DeviceGroup.OnScratch(slot, Networks[0], tokens, norms, hasResidual) with { Tunes = true });
}
