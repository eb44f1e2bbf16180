namespace NativeFfn.Hosting.Batching;

/// <summary>The threads that run an engine's waiting requests: one, and more where one leaves processors idle while others wait.</summary>
/// <param name="queue">Where requests wait.</param>
/// <param name="create">Makes a runner.</param>
/// <param name="most">Threads at most.</param>
internal sealed class BatchRunners(RequestQueue queue, Func<BatchRunner> create, int most)
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly object _gate = new();
    private string _name = string.Empty;
    private int _started;
    private int _running;

    /// <summary>Done when the queue was closed and its last request was run, at once where nothing was started.</summary>
    public Task Ended
    {
        get
        {
            lock (_gate)
            {
                return _started == 0 ? Task.CompletedTask : _ended.Task;
            }
        }
    }

    /// <summary>Starts the first runner.</summary>
    /// <param name="name">The engine's name, for debuggers.</param>
    public void Start(string name)
    {
        _name = name;
        StartOne();
    }

    // Where the system has no more threads, those that there are go on.
    private void StartAnother()
    {
        try
        {
            StartOne();
        }
        catch (Exception refused) when (refused is OutOfMemoryException or ThreadStartException)
        {
            queue.RemoveRunner();
        }
    }

    private void StartOne()
    {
        lock (_gate)
        {
            if (_started == most)
            {
                return;
            }

            BatchRunner runner = create();
            queue.AddRunner();
            new Thread(() => Run(runner)) { IsBackground = true, Name = $"NativeFfn runner {_name}" }.Start();
            _started++;
            _running++;
        }
    }

    private void Run(BatchRunner runner)
    {
        try
        {
            runner.Run(StartAnother);
        }
        finally
        {
            lock (_gate)
            {
                if (--_running == 0)
                {
                    _ended.SetResult();
                }
            }
        }
    }
}
