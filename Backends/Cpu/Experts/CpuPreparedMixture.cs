using NativeFfn.Backends.Storage;

namespace NativeFfn.Backends.Cpu.Experts;

/// <summary>A mixture of experts.</summary>
internal sealed class CpuPreparedMixture(MixtureWeights weights, ObjectSlots<MixtureForward> forwards) : CpuPrepared<MixtureForward>(weights, forwards)
{
    /// <inheritdoc/>
    public override long WeightBytes => weights.Bytes;

    /// <inheritdoc/>
    public override double QuantizationError => weights.Error;

    /// <inheritdoc/>
    public override void ReadExpertTokens(Span<long> counts) => weights.Tokens.Read(counts);

    /// <inheritdoc/>
    protected override void Run(MixtureForward forward, in FfnRows rows) => forward.Run(weights, rows);
}
