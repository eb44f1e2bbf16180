using NativeFfn.Backends.Cpu.Memory;

namespace NativeFfn.Backends.Cpu;

/// <summary>A layer's weights in native memory, run by whichever forward state is free.</summary>
internal sealed class CpuPreparedFfn : IPreparedFfn
{
    private readonly CpuWeights _weights;
    private readonly ObjectSlots<CpuForward> _forwards;

    public CpuPreparedFfn(CpuWeights weights, ObjectSlots<CpuForward> forwards)
    {
        _weights = weights;
        _forwards = forwards;
    }

    /// <inheritdoc/>
    public long WeightBytes => _weights.Memory.ByteLength;

    /// <inheritdoc/>
    public double WeightError => _weights.Error.Relative;

    /// <inheritdoc/>
    public void ReadExpertTokens(Span<long> counts)
    {
    }

    /// <inheritdoc/>
    public void Run(in FfnRows rows)
    {
        // A reference held for the length of the run: disposing in between frees the weights when the run is over.
        bool held = false;
        try
        {
            _weights.Memory.DangerousAddRef(ref held);
            if (rows.Input.Height > 0)
            {
                Run(_forwards.Take(), rows);
            }
        }
        finally
        {
            if (held)
            {
                _weights.Memory.DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _weights.Memory.Dispose();

    private void Run(CpuForward forward, in FfnRows rows)
    {
        try
        {
            forward.Run(_weights, rows);
        }
        finally
        {
            _forwards.Return(forward);
        }
    }
}
