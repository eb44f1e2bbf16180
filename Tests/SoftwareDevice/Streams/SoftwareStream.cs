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

    /// <summary>Runs the next piece of work; false where it waits for others'.</summary>
    public bool RunOne(SoftwareDevice device)
    {
        if (Context.Lost == 0 && _queue.Peek().Waits(device))
        {
            return false;
        }

        Operation operation = _queue.Dequeue();
        if (Context.Lost != 0)
        {
            return true;
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

        return true;
    }

    /// <summary>Runs all work; false where some waits for others'.</summary>
    public bool RunAll(SoftwareDevice device)
    {
        while (_queue.Count > 0)
        {
            if (!RunOne(device))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Runs until a mark in this stream is passed; false where work before it waits for others'.</summary>
    public bool RunUntil(SoftwareDevice device, EventRecord record)
    {
        while (!record.IsDone && _queue.Count > 0)
        {
            if (!RunOne(device))
            {
                return false;
            }
        }

        return true;
    }
}
