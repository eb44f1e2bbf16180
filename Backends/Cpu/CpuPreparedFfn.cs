using NativeFfn.Backends.Storage;

namespace NativeFfn.Backends.Cpu;

/// <summary>A layer of one network.</summary>
internal sealed class CpuPreparedFfn(CpuWeights weights, ObjectSlots<CpuForward> forwards) : CpuPrepared<CpuForward>(weights.Memory, forwards)
{
    /// <inheritdoc/>
    public override long WeightBytes => weights.Memory.ByteLength;

    /// <inheritdoc/>
    public override double QuantizationError => weights.Error.Relative;

    /// <inheritdoc/>
    protected override void Run(CpuForward forward, in FfnRows rows) => forward.Run(weights, rows);
}
