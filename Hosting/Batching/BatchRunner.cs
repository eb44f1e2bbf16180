using NativeFfn.Hosting.Telemetry;

namespace NativeFfn.Hosting.Batching;

/// <summary>A thread that runs an engine's waiting requests, and sleeps when there are none.</summary>
/// <remarks>
/// A request that is alone is run where it lies; several are gathered, run together and scattered. Where that fails for a reason that
/// one of them may have brought, each is run alone, so that the others do not fail with it. Any other failure breaks the engine.
/// </remarks>
/// <param name="queue">Where requests wait.</param>
/// <param name="execution">Runs rows.</param>
/// <param name="buffer">Room for a batch of any layer.</param>
/// <param name="time">The clock.</param>
/// <param name="metrics">What is counted.</param>
internal sealed class BatchRunner(
    RequestQueue queue, LayerExecution execution, BatchBuffer buffer, TimeProvider time, FfnMetrics metrics)
{
    private readonly RequestBatch _batch = new();

    /// <summary>Runs until the queue is closed and empty.</summary>
    /// <param name="wantsHelp">Called when requests wait that another runner could run meanwhile.</param>
    public void Run(Action wantsHelp)
    {
        while (queue.Take(_batch))
        {
            if (_batch.WantsHelp)
            {
                wantsHelp();
            }

            RunTaken();
        }
    }

    /// <summary>Runs the next batch, if there is one that may run now; for who is no thread of its own.</summary>
    public bool TryRunOne()
    {
        bool taken = queue.TryTake(_batch);
        if (taken)
        {
            RunTaken();
        }

        return taken;
    }

    private void RunTaken()
    {
        foreach (FfnRequest request in _batch.Expired)
        {
            queue.RefuseLate(request);
        }

        if (_batch.Requests.Count > 0)
        {
            RunBatch(_batch.Requests[0].Queue);
        }

        _batch.Clear();
    }

    private void RunBatch(LayerQueue taken)
    {
        long started = time.GetTimestamp();
        Exception? broken = RunTogether(taken);
        TimeSpan elapsed = time.GetElapsedTime(started);
        if (_batch.Requests.Count > 1)
        {
            taken.Layer.Times.MeasuredBatch(_batch.Tokens, elapsed);
        }
        else
        {
            taken.Layer.Times.Measured(_batch.Tokens, elapsed);
        }

        if (broken is not null)
        {
            // Before anybody else could begin.
            execution.Break(broken);
        }

        queue.Finished(_batch, elapsed);
        metrics.Executed(taken, _batch.Tokens, _batch.Requests.Count, elapsed, isDirect: false);
        foreach (FfnRequest request in _batch.Requests)
        {
            TimeSpan waited = time.GetElapsedTime(request.ArrivedAt, started);
            metrics.Finished(taken, request.Tokens, waited, request.Failure);
            FfnTracing.Record(request, _batch.Tokens, waited, time);
            request.Complete(request.Failure);
        }
    }

    /// <returns>What broke the engine, or null.</returns>
    private Exception? RunTogether(LayerQueue taken)
    {
        if (_batch.Requests.Count == 1)
        {
            return RunAlone(_batch.Requests[0]);
        }

        try
        {
            buffer.Run(taken, _batch.Requests, execution.Forward);
            return null;
        }
        catch (Exception exception) when (LayerExecution.IsRequestsOwn(exception))
        {
            return RunEachAlone();
        }
        catch (Exception exception)
        {
            foreach (FfnRequest request in _batch.Requests)
            {
                request.Failure ??= LayerExecution.Broken(exception);
            }

            return exception;
        }
    }

    private Exception? RunEachAlone()
    {
        Exception? broken = null;
        foreach (FfnRequest request in _batch.Requests)
        {
            if (broken is not null)
            {
                request.Failure ??= LayerExecution.Broken(broken);
            }
            else if (request.Failure is null)
            {
                broken = RunAlone(request);
            }
        }

        return broken;
    }

    private Exception? RunAlone(FfnRequest request)
    {
        request.Failure = execution.Run(
            request.Queue, request.Input, request.Output, buffer.Pads(request.Queue) ? buffer : null, out Exception? broken);
        return broken;
    }
}
