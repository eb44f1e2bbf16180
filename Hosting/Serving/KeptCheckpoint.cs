using NativeFfn.Checkpoints;

namespace NativeFfn.Hosting.Serving;

/// <summary>A checkpoint that layers read from while they are served, closed by the last who uses it.</summary>
/// <param name="checkpoint">The checkpoint; whoever makes this is its first user.</param>
internal sealed class KeptCheckpoint(FfnCheckpoint checkpoint) : IDisposable
{
    private int _users = 1;

    public FfnCheckpoint Checkpoint => checkpoint;

    /// <summary>One more user, who disposes this in the end.</summary>
    public KeptCheckpoint Use()
    {
        Interlocked.Increment(ref _users);
        return this;
    }

    /// <summary>One user is done.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            checkpoint.Dispose();
        }
    }
}
