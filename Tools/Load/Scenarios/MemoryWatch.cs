using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Scenarios;

/// <summary>Looks at the server's resident memory while something else runs.</summary>
internal sealed class MemoryWatch : IAsyncDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(500);

    private readonly List<long> _bytes = [];
    private readonly CancellationTokenSource _end = new();
    private readonly Task _watching;

    public MemoryWatch(ServerProcess server)
    {
        _bytes.Add(server.ResidentBytes);
        _watching = WatchAsync(server);
    }

    /// <summary>Resident megabytes at the start, in the middle, at the end, and at most.</summary>
    public string Report() =>
        $"{Megabytes(_bytes[0])} MB at first, {Megabytes(_bytes[_bytes.Count / 2])} half-way, {Megabytes(_bytes[^1])} at the end, " +
        $"{Megabytes(_bytes.Max())} at most";

    /// <summary>By how much the second half's mean passes the first's, leaving out the first quarter, in which buffers grow.</summary>
    public double GrowthMegabytes
    {
        get
        {
            List<long> settled = _bytes[(_bytes.Count / 4)..];
            int half = settled.Count / 2;
            return half == 0 ? 0 : (settled[half..].Average() - settled[..half].Average()) / 1e6;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _watching;
        _end.Dispose();
    }

    private static string Megabytes(long bytes) => $"{bytes / 1e6:0}";

    private async Task WatchAsync(ServerProcess server)
    {
        while (!_end.IsCancellationRequested)
        {
            await Task.Delay(Period, _end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _bytes.Add(server.ResidentBytes);
        }
    }
}
