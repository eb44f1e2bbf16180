using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Scenarios;

/// <summary>Looks at what the server's process holds while something else runs: resident memory, handles and threads.</summary>
internal sealed class ProcessWatch : IAsyncDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(500);

    private readonly List<ProcessFigures> _figures = [];
    private readonly CancellationTokenSource _end = new();
    private readonly Task _watching;

    public ProcessWatch(ServerProcess server)
    {
        _figures.Add(server.ReadFigures());
        _watching = WatchAsync(server);
    }

    /// <summary>A figure at the start, in the middle, at the end, and at most.</summary>
    public string Report(Func<ProcessFigures, double> figure) =>
        $"{figure(_figures[0]):0} at first, {figure(_figures[_figures.Count / 2]):0} half-way, {figure(_figures[^1]):0} at the end, " +
        $"{_figures.Max(figure):0} at most";

    /// <summary>By how much the second half's mean passes the first's, leaving out the first quarter, in which buffers grow.</summary>
    public double Growth(Func<ProcessFigures, double> figure)
    {
        List<ProcessFigures> settled = _figures[(_figures.Count / 4)..];
        int half = settled.Count / 2;
        return half == 0 ? 0 : settled[half..].Average(figure) - settled[..half].Average(figure);
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _watching;
        _end.Dispose();
    }

    private async Task WatchAsync(ServerProcess server)
    {
        while (!_end.IsCancellationRequested)
        {
            await Task.Delay(Period, _end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _figures.Add(server.ReadFigures());
        }
    }
}
