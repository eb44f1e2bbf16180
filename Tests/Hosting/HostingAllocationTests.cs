using NativeFfn.Hosting;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>A steady request allocates nothing, on no thread.</summary>
[NonParallelizable]
public sealed class HostingAllocationTests
{
    private const int Requests = 500;

    // The test runner's own threads allocate now and then; what a request allocates is there in every attempt.
    private const int Attempts = 20;

    [Test]
    public async Task Nothing_is_allocated([Values(1, 6)] int clients, [Values] bool cancellable, [Values] bool deadline)
    {
        await using FfnServer server = await FfnServer.StartAsync(
            static options => options.ConfigureEngine(static engine => engine with { Threads = 1 }));
        server.Runtime.Open!.Execution.Forward = NativeFfn.Hosting.Batching.LayerForwards.Run;
        using var cancellation = new CancellationTokenSource();
        CancellationToken token = cancellable ? cancellation.Token : default;
        var options = new FfnRequestOptions(FfnMode.Residual, deadline ? TimeSpan.FromMinutes(1) : null);
        using var round = new Barrier(clients + 1);
        bool ends = false;
        Task[] loops =
            [.. Enumerable.Range(0, clients).Select(client => Task.Factory.StartNew(Loop, TaskCreationOptions.LongRunning).Unwrap())];
        long least = long.MaxValue;
        for (int attempt = 0; attempt < Attempts && least != 0; attempt++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            round.SignalAndWait();
            round.SignalAndWait();
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        Volatile.Write(ref ends, true);
        round.SignalAndWait();
        await Task.WhenAll(loops);
        Assert.That(least, Is.Zero, $"bytes allocated by all threads in {clients} times {Requests} requests");

        // Once around is one asynchronous method, whose own state is not the client's.
        async Task Loop()
        {
            float[] input = new float[2 * 16];
            float[] output = new float[2 * 16];
            while (true)
            {
                round.SignalAndWait();
                if (Volatile.Read(ref ends))
                {
                    return;
                }

                for (int i = 0; i < Requests; i++)
                {
                    _ = server.Client.WouldRefuse("m/0", 2, out _);
                    await server.Client.ForwardAsync("m/0", input, output, options, token);
                }

                round.SignalAndWait();
            }
        }
    }
}
