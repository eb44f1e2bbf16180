using System.Collections.Concurrent;

namespace NativeFfn.Tests.Support;

/// <summary>Threads that call at once. What one throws ends it and not the process.</summary>
internal static class Callers
{
    /// <summary>Starts callers at one moment and waits for them.</summary>
    /// <param name="count">How many; positive.</param>
    /// <param name="call">What each does; it is given the caller's number, from 0.</param>
    /// <returns>What they threw.</returns>
    public static string[] Run(int count, Action<int> call)
    {
        var wrong = new ConcurrentQueue<Exception>();
        using var start = new Barrier(count);
        Thread[] callers = [.. Enumerable.Range(0, count).Select(caller => new Thread(() =>
        {
            try
            {
                start.SignalAndWait();
                call(caller);
            }
            catch (Exception exception)
            {
                wrong.Enqueue(exception);
            }
        }))];
        Array.ForEach(callers, static caller => caller.Start());
        Array.ForEach(callers, static caller => caller.Join());
        return [.. wrong.Select(static exception => exception.ToString())];
    }
}
