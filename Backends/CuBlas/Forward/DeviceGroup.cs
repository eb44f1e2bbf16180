using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Backends.CuBlas.Weights;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Some tokens' rows with the network that they go through: all of a dense layer's, or those that an expert was sent.</summary>
internal readonly ref struct DeviceGroup
{
    // Four of these bytes are 0.046 in float32.
    private const byte SmallNumbers = 0x3d;

    public required DeviceRun Run { get; init; }

    public required DeviceNetwork Network { get; init; }

    public required NetworkScratch Scratch { get; init; }

    /// <summary>Norms of the block; those of a mixture are not its experts'.</summary>
    public DeviceNorms Norms { get; init; }

    /// <summary>Whether cuBLASLt's algorithms are timed for every GEMM that is met, and the fastest kept.</summary>
    public bool Tunes { get; init; }

    public DeviceFormat Format => Network.Format;

    public DeviceKernels Kernels => Run.Slot.Kernels;

    /// <summary>
    /// Makes room for rows to be measured, and fills them with small numbers: what was there before may be none, and products of zeros take
    /// less power, and so less time.
    /// </summary>
    public static void Fill(StreamSlot slot, DeviceNetwork network, int tokens)
    {
        HostLayout host = Layout(network, tokens, out _, out long bytes);
        slot.Stream.Fill(host.Input.In(slot.Reserve(bytes)), SmallNumbers);
    }

    /// <summary>The rows to be measured.</summary>
    public static DeviceGroup OnScratch(StreamSlot slot, DeviceNetwork network, int tokens, DeviceNorms norms, bool hasResidual)
    {
        HostLayout host = Layout(network, tokens, out MemoryPart scratch, out _);
        var input = new DeviceRows(host.Input.In(slot.Scratch).Address, network.Spec.InputWidth);
        return new DeviceGroup
        {
            Run = new DeviceRun
            {
                Slot = slot,
                Tokens = tokens,
                Input = input,
                Residual = hasResidual ? input : default,
                Output = new DeviceRows(host.Output.In(slot.Scratch).Address, network.Spec.OutputWidth),
                IsBlock = false,
            },
            Network = network,
            Scratch = NetworkScratch.In(scratch.In(slot.Scratch), network, tokens),
            Norms = norms,
        };
    }

    private static HostLayout Layout(DeviceNetwork network, int tokens, out MemoryPart scratch, out long bytes)
    {
        var layout = default(DeviceLayout);
        HostLayout host = HostLayout.Add(ref layout, network.Spec, tokens);
        scratch = layout.Add(NetworkScratch.BytesOf(network, tokens), 1);
        bytes = layout.Bytes;
        return host;
    }
}
