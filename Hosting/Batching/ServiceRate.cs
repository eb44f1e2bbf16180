namespace NativeFfn.Hosting.Batching;

/// <summary>How long a token takes while others wait, by the last batches. Guarded by the queue's lock.</summary>
/// <remarks>
/// A batch that took all there was says nothing here: of few tokens, each takes longer than in a full batch, and a queue that was measured
/// by them would seem far longer than it is.
/// </remarks>
internal sealed class ServiceRate
{
    // What a batch still counts when the next one has run: enough to follow a change of load within some ten batches.
    private const double Kept = 0.8;

    private double _seconds;
    private double _tokens;
    private double _secondsPerToken;

    /// <summary>Seconds; 0 where no batch has left others waiting yet. Read without the lock.</summary>
    public double SecondsPerToken => Volatile.Read(ref _secondsPerToken);

    /// <summary>A batch was run.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="seconds">How long it took, as if it had had all processors.</param>
    public void Measured(RequestBatch batch, double seconds)
    {
        if (batch.LeftOthers)
        {
            _seconds = (Kept * _seconds) + seconds;
            _tokens = (Kept * _tokens) + batch.Tokens;
            Volatile.Write(ref _secondsPerToken, _seconds / _tokens);
        }
    }
}
