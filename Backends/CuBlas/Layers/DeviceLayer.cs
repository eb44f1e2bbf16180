using System.Runtime.InteropServices;
using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Lanes;

namespace NativeFfn.Backends.CuBlas.Layers;

/// <summary>A layer on the device, of one network or of many. Holding a reference keeps its weights and the products planned for them.</summary>
internal abstract class DeviceLayer : SafeHandle
{
    // There is no one native handle; any value but 0 stands for all of them.
    private const nint Open = 1;

    private readonly DeviceLifetime _device;

    protected DeviceLayer(DeviceLifetime device)
        : base(0, ownsHandle: true)
    {
        _device = device.Held();
        SetHandle(Open);
    }

    /// <summary>The layer.</summary>
    public abstract FfnSpec Spec { get; }

    /// <summary>Bytes of its weights.</summary>
    public abstract long WeightBytes { get; }

    /// <summary>What the format lost of them.</summary>
    public abstract double QuantizationError { get; }

    /// <summary>Tells asynchronous forwards when they are done.</summary>
    public DeviceCompletions Completions => _device.Completions;

    /// <summary>Whether the decode kernels can run any of its networks.</summary>
    public abstract bool CanDecode { get; }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Copies how many tokens each expert was sent so far; nothing where there are none.</summary>
    /// <param name="counts">Receives one count an expert.</param>
    public virtual void ReadExpertTokens(Span<long> counts)
    {
    }

    /// <summary>Finds out for how many tokens the decode kernels are the faster ones.</summary>
    /// <param name="lane">Where they are timed; its context is entered.</param>
    /// <param name="decode">Measures.</param>
    public abstract void Calibrate(DeviceLane lane, DecodeSwitch decode);

    /// <summary>Times cuBLASLt's algorithms for the products of so many tokens; nothing where their counts are only known when a forward runs.</summary>
    /// <param name="lane">Where they are timed; its context is entered.</param>
    /// <param name="tokens">Tokens of a forward; positive.</param>
    public virtual void Tune(DeviceLane lane, int tokens)
    {
    }

    /// <summary>Tokens that are run at a time.</summary>
    /// <param name="tokens">Tokens of the forward; positive.</param>
    /// <param name="fromHost">Whether rows come from the host.</param>
    public abstract int ChunkTokens(int tokens, bool fromHost);

    /// <summary>Bytes of a lane's memory that a chunk needs.</summary>
    /// <param name="tokens">Tokens of the chunk.</param>
    /// <param name="fromHost">Whether rows come from the host, so that the memory begins with them.</param>
    public abstract long ScratchBytes(int tokens, bool fromHost);

    /// <summary>Runs rows of the host's, and returns when the output is written.</summary>
    /// <param name="lane">The lane; its context is entered.</param>
    /// <param name="rows">Rows, of which there is at least one.</param>
    public abstract void Run(DeviceLane lane, in FfnRows rows);

    /// <summary>The same without holding a thread; every part of it enters the context itself.</summary>
    /// <param name="lane">The lane.</param>
    /// <param name="rows">Rows, of which there is at least one.</param>
    /// <param name="cancellationToken">Looked at before any of the output is written.</param>
    public abstract ValueTask RunAsync(DeviceLane lane, FfnMemoryRows rows, CancellationToken cancellationToken);

    /// <summary>Queues a forward on rows in the device's memory.</summary>
    public abstract void Queue(in DeviceRun run);

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        Free();
        _device.DangerousRelease();
        return true;
    }

    /// <summary>Frees weights and products.</summary>
    protected abstract void Free();
}
