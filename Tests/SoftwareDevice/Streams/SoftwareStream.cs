namespace NativeFfn.Tests.Software;

/// <summary>A queue of work in order, which runs only as far as something waits for it.</summary>
internal sealed class SoftwareStream(SoftwareContext context, nint handle, bool isBlocking, bool isForeign)
{
    private readonly Queue<Operation> _queue = [];

    public SoftwareContext Context { get; } = context;

    public nint Handle { get; set; } = handle;

    /// <summary>Whether it waits for the legacy default stream and the other way round.</summary>
    public bool IsBlocking { get; } = isBlocking;

    public bool IsForeign { get; } = isForeign;

    /// <summary>What it records in the place of doing; null outside a capture.</summary>
    public Capture? Capture { get; set; }

    /// <summary>Virtual milliseconds of the work done so far.</summary>
    public double Clock { get; set; }

    public bool IsIdle => _queue.Count == 0;

    public IEnumerable<Operation> Pending => _queue;

    public void Add(Operation operation) => _queue.Enqueue(operation);

    public void RunOne(SoftwareDevice device)
    {
        Operation operation = _queue.Dequeue();
        if (Context.Lost != 0)
        {
            return;
        }

        try
        {
            operation.Execute(device, this);
            Clock += operation.Milliseconds(device);
            if (operation.Launch is { } launch)
            {
                device.LogExecution(launch);
            }
        }
        catch (NativeFailure failure)
        {
            device.Violate($"{failure.Violation} (found when it ran)");
            Context.Lost = CudaResult.IsSticky(failure.Status) ? failure.Status : CudaResult.LaunchFailed;
        }
    }

    public void RunAll(SoftwareDevice device)
    {
        while (_queue.Count > 0)
        {
            RunOne(device);
        }
    }

    /// <summary>Runs until a mark in this stream is passed.</summary>
    public void RunUntil(SoftwareDevice device, EventRecord record)
    {
        while (!record.IsDone && _queue.Count > 0)
        {
            RunOne(device);
        }
    }
}
