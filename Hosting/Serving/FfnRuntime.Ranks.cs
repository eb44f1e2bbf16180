using NativeFfn.Hosting.Telemetry;

namespace NativeFfn.Hosting.Serving;

/// <content>An engine whose layers are cut over ranks: rank 0 serves, and the others follow it.</content>
internal sealed partial class FfnRuntime
{
    // How often rank 0 looks after the others while it has nothing to do with them.
    private static readonly TimeSpan WatchPeriod = TimeSpan.FromMilliseconds(200);

    private const int MostPatient = 10;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private Task _following = Task.CompletedTask;

    /// <summary>
    /// Told that the ranks work together no more, and whether they failed; a job is started anew as a whole, so that the host has to stop.
    /// </summary>
    public Action<bool>? GroupEnded { get; set; }

    private void Follow(OpenEngine open)
    {
        FfnEngine engine = open.Engine;
        if (!TryMove(FfnStatus.Following(engine.Rank, engine.Ranks), FfnState.Starting))
        {
            open.Dispose();
            return;
        }

        FfnLog.Following(_logger, Name, engine.Rank, engine.Ranks);
        _following = Task.Factory.StartNew(
            () =>
            {
                bool failed = false;
                try
                {
                    engine.Follow();
                    TryMove(FfnStatus.Closed, FfnState.Following);
                }
                catch (CollectiveFailedException exception)
                {
                    failed = true;

                    // All ranks meet the same. The lowest that lives says so, and its end ends this process.
                    Thread.Sleep(Patience * Math.Min(engine.Rank, MostPatient));
                    OnBroken(exception);
                }

                open.Free();
                EndGroup(engine, failed);
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private void EndGroup(FfnEngine engine, bool failed)
    {
        if (engine.Ranks > 1)
        {
            GroupEnded?.Invoke(failed);
        }
    }

    // Rank 0 drains what waits, and then has the others end.
    private async Task WaitForLeaderAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _following.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The end of this process ends the job.
        }
    }

    private void WatchRanks(FfnEngine engine)
    {
        if (engine.Ranks > 1)
        {
            _ = WatchAsync(engine);
        }
    }

    private async Task WatchAsync(FfnEngine engine)
    {
        using var timer = new PeriodicTimer(WatchPeriod);
        while (_open is not null && engine.Failure is null)
        {
            await timer.WaitForNextTickAsync().ConfigureAwait(false);
        }

        if (_open is not null && engine.Failure is { } failure)
        {
            OnBroken(failure);
        }
    }
}
