using System.Diagnostics;
using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Reference;

/// <summary>A layer of the reference. Forwards share nothing but its weights and its counts, so that any number may run at once.</summary>
/// <param name="spec">The layer.</param>
/// <param name="weights">Its weights, which may be read by several threads at once.</param>
/// <param name="weightBytes">Bytes of the weights in memory.</param>
internal sealed class ReferenceLayer(FfnSpec spec, IFfnWeightSource weights, long weightBytes) : ILoadedLayer
{
    private readonly ExpertTokens? _tokens = spec.Mixture is { } mixture ? new ExpertTokens(mixture.Experts) : null;
    private volatile IFfnWeightSource? _weights = weights;

    /// <inheritdoc/>
    public long WeightBytes => weightBytes;

    /// <inheritdoc/>
    public double QuantizationError => 0;

    /// <inheritdoc/>
    public string Encodings => "f64";

    /// <inheritdoc/>
    public string Gemms => "loops in float64";

    private IFfnWeightSource Weights => _weights ?? throw new ObjectDisposedException(nameof(ReferenceLayer));

    /// <inheritdoc/>
    public void ReadExpertTokens(Span<long> counts) => _tokens?.Read(counts);

    /// <inheritdoc/>
    public void Run(in FfnRows rows) => Run(Weights, rows);

    /// <inheritdoc/>
    public async ValueTask RunAsync(FfnMemoryRows rows, CancellationToken cancellationToken)
    {
        // From now on, and not from when the pool comes to it: a layer that is disposed meanwhile finishes the forward.
        IFfnWeightSource source = Weights;
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        cancellationToken.ThrowIfCancellationRequested();
        Run(source, rows.Rows);
    }

    /// <inheritdoc/>
    public void Dispose() => _weights = null;

    // Nothing is written before all is known, so that the output may be the input and a forward that fails leaves it as it was.
    private void Run(IFfnWeightSource source, in FfnRows rows)
    {
        if (rows.Input.Height == 0)
        {
            return;
        }

        long start = Stopwatch.GetTimestamp();
        double[] x = WideRows.Of(rows.Input);
        double[] residual = rows.Mode == FfnMode.Residual ? WideRows.Of(rows.Residual) : x;
        double[] y = new Float64Forward(spec, source, rows.Trace, rows.Profile, _tokens).Run(rows.Mode, x, residual);
        for (int row = 0; row < rows.Output.Height; row++)
        {
            WideRows.Round(y.AsSpan(row * rows.Output.Width, rows.Output.Width), rows.Output.GetRowSpan(row));
        }

        long ticks = Stopwatch.GetTimestamp() - start;
        rows.Profile?.AddElapsed(ticks);
        rows.Profile?.AddThreadTime(ticks);
    }
}
