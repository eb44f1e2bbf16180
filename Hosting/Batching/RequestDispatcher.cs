using System.Diagnostics;
using NativeFfn.Hosting.Telemetry;

namespace NativeFfn.Hosting.Batching;

/// <summary>Where requests come in: what can run at once runs on its caller's thread, and the rest waits in the queue.</summary>
/// <param name="queue">Where requests wait.</param>
/// <param name="execution">Runs rows.</param>
/// <param name="time">The clock.</param>
/// <param name="metrics">What is counted.</param>
internal sealed class RequestDispatcher(RequestQueue queue, LayerExecution execution, TimeProvider time, FfnMetrics metrics)
{
    /// <summary>Runs a request that was proven to fit its layer, now or when its turn has come.</summary>
    /// <returns>False where another layer has taken the place of the one that was asked for.</returns>
    public bool TrySubmit(
        LayerQueue asked, ReadOnlyMemory<float> input, Memory<float> output, int tokens, TimeSpan deadline,
        CancellationToken cancellationToken, out ValueTask answer)
    {
        if (!asked.Layer.TryUse())
        {
            answer = default;
            return false;
        }

        answer = Submit(asked, input, output, tokens, deadline, cancellationToken);
        return true;
    }

    /// <summary>The same for who holds the layer (<c>TryUse</c>), which the answer lets go.</summary>
    public ValueTask Submit(
        LayerQueue asked, ReadOnlyMemory<float> input, Memory<float> output, int tokens, TimeSpan deadline,
        CancellationToken cancellationToken)
    {
        if (IsRefused(asked, deadline, cancellationToken, out ValueTask answer))
        {
            asked.Layer.Release();
            return answer;
        }

        return queue.TryEnter(asked, tokens, out int processors)
            ? RunHere(asked, input, output, tokens, processors)
            : queue.Submit(asked, input, output, tokens, deadline, cancellationToken);
    }

    private bool IsRefused(LayerQueue asked, TimeSpan deadline, CancellationToken cancellationToken, out ValueTask answer)
    {
        answer = default;
        if (cancellationToken.IsCancellationRequested)
        {
            metrics.Rejected(asked, RejectionReason.Cancelled);
            answer = ValueTask.FromCanceled(cancellationToken);
            return true;
        }

        if (deadline <= TimeSpan.Zero && deadline != Timeout.InfiniteTimeSpan)
        {
            metrics.Rejected(asked, RejectionReason.Deadline);
            answer = ValueTask.FromException(new FfnDeadlineException("The deadline had passed before the request came."));
            return true;
        }

        return false;
    }

    private ValueTask RunHere(LayerQueue asked, ReadOnlyMemory<float> input, Memory<float> output, int tokens, int processors)
    {
        Exception? failure;
        try
        {
            ActivityContext parent = FfnTracing.ParentOfRequest();
            long started = time.GetTimestamp();
            failure = execution.Run(asked, input, output, padded: null, out Exception? broken);
            TimeSpan elapsed = time.GetElapsedTime(started);
            asked.Layer.Times.Measured(tokens, elapsed);
            metrics.Executed(asked, tokens, requests: 1, elapsed, isDirect: true);
            metrics.Finished(asked, tokens, TimeSpan.Zero, failure);
            FfnTracing.Record(asked, tokens, started, parent, failure, time);
            if (broken is not null)
            {
                // Before anybody else could begin.
                execution.Break(broken);
            }
        }
        finally
        {
            asked.Layer.Release();
            queue.Leave(processors);
        }

        return failure is null ? ValueTask.CompletedTask : ValueTask.FromException(failure);
    }
}
