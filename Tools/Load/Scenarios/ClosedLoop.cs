using System.Diagnostics;
using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Scenarios;

/// <summary>Clients that each send a request, wait for the answer, check it, and send the next one.</summary>
internal static class ClosedLoop
{
    /// <summary>Runs for a time.</summary>
    /// <param name="port">The server's.</param>
    /// <param name="requests">What is sent.</param>
    /// <param name="clients">Connections.</param>
    /// <param name="duration">How long new requests are sent.</param>
    public static async Task<LoadStatistics> RunAsync(int port, RequestSet requests, int clients, TimeSpan duration)
    {
        using var end = new CancellationTokenSource(duration);
        return await RunAsync(port, requests, clients, end.Token);
    }

    /// <summary>Runs until told to end.</summary>
    public static async Task<LoadStatistics> RunAsync(int port, RequestSet requests, int clients, CancellationToken end)
    {
        var parts = new LoadStatistics[clients];
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, clients).Select(client =>
        {
            parts[client] = new LoadStatistics();
            return Task.Run(() => RunClientAsync(port, requests, client, parts[client], end), CancellationToken.None);
        }));
        return LoadStatistics.Sum(parts, Stopwatch.GetElapsedTime(start));
    }

    private static async Task RunClientAsync(int port, RequestSet requests, int client, LoadStatistics statistics, CancellationToken end)
    {
        var random = new Random(client);
        using HttpConnection connection = await HttpConnection.OpenAsync(port);
        while (!end.IsCancellationRequested)
        {
            ForwardRequest request = requests.Draw(random);
            long sent = Stopwatch.GetTimestamp();
            try
            {
                Answer answer = await connection.SendAsync(request.Bytes);
                statistics.Add(request, answer, Stopwatch.GetElapsedTime(sent));
                if (answer.Closing)
                {
                    return;
                }
            }
            catch (ConnectionEndedException ended)
            {
                // Nothing came back: a request that crossed the server's end on its way was not accepted. Half an answer is broken.
                if (ended.Partly)
                {
                    statistics.Fail(ended.Message);
                }
                else
                {
                    statistics.Stopped++;
                }

                return;
            }
        }
    }
}
