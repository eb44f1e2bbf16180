namespace NativeFfn.Hosting.Batching;

/// <summary>How long a token takes while others wait, by the last batches.</summary>
/// <remarks>
/// Written by the runner alone. A batch that took all there was says nothing here: of few tokens, each takes longer than in a full batch,
/// and a queue that was measured by them would seem far longer than it is.
/// </remarks>
internal sealed class ServiceRate
{
    // What a batch still counts when the next one has run: enough to follow a change of load within some ten batches.
    private const double Kept = 0.8;

    private double _seconds;
    private double _tokens;

    /// <summary>Seconds; 0 where no batch has left others waiting yet.</summary>
    public double SecondsPerToken { get; private set; }

    /// <summary>A batch was run.</summary>
    public void Measured(RequestBatch batch, TimeSpan elapsed)
    {
        if (batch.LeftOthers)
        {
            _seconds = (Kept * _seconds) + elapsed.TotalSeconds;
            _tokens = (Kept * _tokens) + batch.Tokens;
            SecondsPerToken = _seconds / _tokens;
        }
    }
}
