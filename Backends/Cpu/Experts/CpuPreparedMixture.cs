using NativeFfn.Backends.Cpu.Memory;

namespace NativeFfn.Backends.Cpu.Experts;

/// <summary>A mixture's weights in native memory, run by whichever forward state is free.</summary>
internal sealed class CpuPreparedMixture(MixtureWeights weights, ObjectSlots<MixtureForward> forwards) : IPreparedFfn
{
    /// <inheritdoc/>
    public long WeightBytes => weights.Bytes;

    /// <inheritdoc/>
    public double WeightError => weights.Error;

    /// <inheritdoc/>
    public void ReadExpertTokens(Span<long> counts) => weights.ReadExpertTokens(counts);

    /// <inheritdoc/>
    public void Run(in FfnRows rows)
    {
        bool held = false;
        try
        {
            weights.DangerousAddRef(ref held);
            if (rows.Input.Height > 0)
            {
                Run(forwards.Take(), rows);
            }
        }
        finally
        {
            if (held)
            {
                weights.DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => weights.Dispose();

    private void Run(MixtureForward forward, in FfnRows rows)
    {
        try
        {
            forward.Run(weights, rows);
        }
        finally
        {
            forwards.Return(forward);
        }
    }
}
