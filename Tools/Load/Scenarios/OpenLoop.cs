using System.Collections.Concurrent;
using System.Diagnostics;
using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Scenarios;

/// <summary>Requests that arrive at a rate, whether earlier ones were answered or not, as those of many independent users do.</summary>
internal static class OpenLoop
{
    // Idle time between two looks at the clock; several requests may be due by then.
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(1);

    /// <summary>Runs for a time.</summary>
    /// <param name="port">The server's.</param>
    /// <param name="requests">What is sent.</param>
    /// <param name="tokensPerSecond">The rate.</param>
    /// <param name="duration">How long requests arrive.</param>
    public static async Task<LoadStatistics> RunAsync(int port, RequestSet requests, double tokensPerSecond, TimeSpan duration)
    {
        var random = new Random(1);
        var idle = new ConcurrentBag<HttpConnection>();
        var parts = new ConcurrentBag<LoadStatistics>();
        var running = new List<Task>();
        double meanTokens = requests.Requests.Average(static request => request.Tokens);
        double due = 0;
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) is var now && now < duration)
        {
            for (; due <= now.TotalSeconds; due += -Math.Log(1 - random.NextDouble()) * meanTokens / tokensPerSecond)
            {
                running.Add(SendAsync(start, TimeSpan.FromSeconds(due), port, requests.Draw(random), idle, parts));
            }

            await Task.Delay(Tick);
        }

        await Task.WhenAll(running);
        foreach (HttpConnection connection in idle)
        {
            connection.Dispose();
        }

        return LoadStatistics.Sum(parts, Stopwatch.GetElapsedTime(start));
    }

    private static async Task SendAsync(
        long start, TimeSpan due, int port, ForwardRequest request, ConcurrentBag<HttpConnection> idle, ConcurrentBag<LoadStatistics> parts)
    {
        if (!parts.TryTake(out LoadStatistics? statistics))
        {
            statistics = new LoadStatistics();
        }

        try
        {
            long sent = Stopwatch.GetTimestamp();
            statistics.SentLate(Stopwatch.GetElapsedTime(start, sent) - due);
            HttpConnection connection = idle.TryTake(out HttpConnection? used) ? used : await HttpConnection.OpenAsync(port);
            Answer answer = await connection.SendAsync(request.Bytes);
            statistics.Add(request, answer, Stopwatch.GetElapsedTime(sent));
            if (answer.Closing)
            {
                connection.Dispose();
            }
            else
            {
                idle.Add(connection);
            }
        }
        catch (IOException error)
        {
            statistics.Fail(error.Message);
        }
        catch (System.Net.Sockets.SocketException error)
        {
            statistics.Fail(error.Message);
        }

        parts.Add(statistics);
    }
}
