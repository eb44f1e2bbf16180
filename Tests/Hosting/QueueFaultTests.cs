using Microsoft.Extensions.Diagnostics.HealthChecks;
using NativeFfn.Hosting;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>What the queue and the runner must keep, each with an assertion that fails where it is lost, and none that hangs.</summary>
public sealed class QueueFaultTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Test]
    public async Task A_request_that_failed_leaves_nothing_to_the_next_one()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        server.Gate.Failing = static _ => throw new InsufficientMemoryException("too many rows");
        FfnCall failed = server.Call("m/0", 1);
        await Assert.ThrowsAsync<InsufficientMemoryException>(() => failed.Task.WaitAsync(Patience));
        server.Gate.Failing = null;
        await server.Call("m/0", 1).AssertAnsweredAsync().WaitAsync(Patience);
    }

    [Test]
    public async Task A_layer_that_does_not_support_something_fails_its_request_and_not_the_engine()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        server.Gate.Failing = static _ => throw new NotSupportedException("not this");
        FfnCall failed = server.Call("m/0", 1);
        NotSupportedException thrown = (await Assert.ThrowsAsync<NotSupportedException>(() => failed.Task.WaitAsync(Patience)))!;
        server.Gate.Failing = null;
        await server.Call("m/0", 1).AssertAnsweredAsync().WaitAsync(Patience);
        HealthReportEntry health = await server.HealthAsync();
        Assert.That((thrown.Message, health.Status), Is.EqualTo(("not this", HealthStatus.Healthy)));
    }

    [Test]
    public async Task Tokens_that_run_count_in_the_time_that_the_queue_takes()
    {
        await using FfnServer server = await FfnServer.StartAsync(
            static options => options.Batching.QueueCapacityTime = TimeSpan.FromMilliseconds(11));
        FfnCall first = await server.HoldAsync();
        FfnCall measured = server.Call("m/0", 8);
        FfnCall left = server.Call("m/0", 1);
        server.Gate.Failing = _ => server.Time.Advance(TimeSpan.FromMilliseconds(10));
        server.Gate.Open();
        await AnsweredAsync(first, measured, left);

        // At 1.25 ms a token: 7 that wait and 1 that runs take 10 ms; 8 that wait take 10 ms as well, and 11.25 with the one that runs.
        FfnCall held = await server.HoldAsync();
        FfnCall waiting = server.Call("m/0", 7);
        FfnCall fits = server.Call("m/0", 1);
        Task refused = server.Call("m/0", 1).Task;
        server.Gate.Open();
        Assert.That(async () => await refused.WaitAsync(Patience), Throws.TypeOf<FfnQueueFullException>());
        await AnsweredAsync(held, waiting, fits);
    }

    [Test]
    public async Task The_queue_holds_its_capacity_and_not_one_token_more()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall waiting = server.Call("m/0", 63);
        FfnCall last = server.Call("m/0", 1);
        Task refused = server.Call("m/0", 1).Task;
        server.Gate.Open();
        Assert.That(async () => await refused.WaitAsync(Patience), Throws.TypeOf<FfnQueueFullException>());
        await AnsweredAsync(held, waiting, last);
    }

    [Test]
    public async Task A_cancelled_request_is_in_its_queue_no_more()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        using var cancellation = new CancellationTokenSource();
        FfnCall held = await server.HoldAsync();
        FfnCall cancelled = server.Call("m/0", 60, 1, cancellationToken: cancellation.Token);
        await cancellation.CancelAsync();
        Assert.That(async () => await cancelled.Task.WaitAsync(Patience), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(server.Runtime.WaitingTokens, Is.Zero);
        FfnCall inItsPlace = server.Call("m/0", 64, 2);
        server.Gate.Open();
        await AnsweredAsync(held, inItsPlace);
        Assert.That(server.Gate.Rows, Is.EqualTo(new[] { 64 }));
    }

    // What waits with it would seem enough for a batch, and be run before its delay.
    [Test]
    public async Task A_cancelled_request_fills_no_batch()
    {
        // Disposed where all is well alone: a faulty queue would then run what is cancelled, which ends the process.
        FfnServer server = await FfnServer.StartAsync(static options => options.Batching.MaxQueueDelay = TimeSpan.FromSeconds(1));
        server.Gate.Close();
        using var cancellation = new CancellationTokenSource();
        float[] rows = new float[7 * 16];
        ValueTask cancelled = server.Client.ForwardAsync("m/0", rows, rows, cancellation.Token);
        await cancellation.CancelAsync();
        FfnCall waiting = server.Call("m/0", 1);
        await Task.WhenAny(server.RunnerSleepsAsync(), server.Gate.ForwardsStarted.WaitAsync()).WaitAsync(Patience);
        Assert.That(server.Gate.Rows, Is.Empty);
        server.Gate.Open();
        server.Time.Advance(TimeSpan.FromSeconds(1));
        await AnsweredAsync(waiting);
        Assert.That(async () => await cancelled, Throws.InstanceOf<OperationCanceledException>());
        await server.DisposeAsync();
    }

    [Test]
    public async Task A_closed_queue_takes_nothing_and_runs_what_it_has()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall waiting = server.Call("m/0", 2);
        server.Runtime.Open!.Queue.Close(new FfnUnavailableException("closed"));
        Task refused = server.Call("m/0", 1).Task;
        server.Gate.Open();
        Assert.That(
            async () => await refused.WaitAsync(Patience), Throws.TypeOf<FfnUnavailableException>().With.Message.EqualTo("closed"));
        await AnsweredAsync(held, waiting);
        Assert.That(server.Gate.Rows, Is.EqualTo(new[] { 2 }));
    }

    [TestCase(new[] { 4, 4, 1 }, new[] { 8, 1 })]
    [TestCase(new[] { 4, 5 }, new[] { 4, 5 })]
    public async Task A_batch_is_filled_to_its_limit_and_not_beyond(int[] tokens, int[] batches)
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall[] calls = [.. tokens.Select((count, i) => server.Call("m/0", count, i))];
        server.Gate.Open();
        await AnsweredAsync([held, .. calls]);
        Assert.That(server.Gate.Rows, Is.EqualTo(batches));
    }

    private static Task AnsweredAsync(params FfnCall[] calls) =>
        Task.WhenAll(calls.Select(static call => call.AssertAnsweredAsync())).WaitAsync(Patience);
}
