using NativeFfn.Hosting.Batching;

namespace NativeFfn.Tests.Hosting;

/// <summary>Stands between a runner and its layers: records every forward, and holds it up or has it fail.</summary>
internal sealed class ForwardGate
{
    private readonly ManualResetEventSlim _open = new(initialState: true);

    /// <summary>Rows and mode of each forward, in order.</summary>
    public List<(FfnLayer Layer, FfnMode Mode, int Rows)> Forwards { get; } = [];

    /// <summary>Released once for each forward that has started.</summary>
    public SemaphoreSlim ForwardsStarted { get; } = new(0);

    /// <summary>Called with the rows of each forward; what it throws is the forward's failure.</summary>
    public Action<int>? Failing { get; set; }

    public IEnumerable<int> Rows => Forwards.Select(static forward => forward.Rows);

    public void Close() => _open.Reset();

    public void Open() => _open.Set();

    public void Forward(FfnLayer layer, FfnMode mode, ReadOnlySpan<float> input, Span<float> output)
    {
        int rows = input.Length / layer.Spec.InputWidth;
        lock (_open)
        {
            Forwards.Add((layer, mode, rows));
        }

        ForwardsStarted.Release();
        _open.Wait();
        Failing?.Invoke(rows);
        LayerForwards.Run(layer, mode, input, output);
    }
}
