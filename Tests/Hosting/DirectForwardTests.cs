using NativeFfn.Hosting;
using NativeFfn.Hosting.Batching;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>What runs on its caller's thread, what waits instead, and how many forwards run at a time.</summary>
public sealed class DirectForwardTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Test]
    public async Task A_request_that_finds_the_engine_idle_is_answered_when_its_call_returns()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        int? thread = null;
        server.Gate.Failing = _ => thread = Environment.CurrentManagedThreadId;
        for (int i = 0; i < 10; i++)
        {
            ValueTask answer = server.Client.ForwardAsync("m/0", new float[16], new float[16], new FfnRequestOptions((FfnMode)(i % 3)));
            Assert.That((answer.IsCompletedSuccessfully, thread), Is.EqualTo((true, Environment.CurrentManagedThreadId)));
            await answer;
        }
    }

    [Test]
    public async Task What_fails_on_its_callers_thread_fails_in_the_task_and_alone()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        server.Gate.Failing = static _ => throw new InsufficientMemoryException("too many rows");
        ValueTask answer = server.Client.ForwardAsync("m/0", new float[16], new float[16]);
        Assert.That(async () => await answer, Throws.TypeOf<InsufficientMemoryException>());
        server.Gate.Failing = null;
        await server.Call("m/0", 1).AssertAnsweredAsync();
    }

    [Test]
    public async Task A_delay_and_the_same_bits_in_any_company_have_requests_wait([Values] bool delay)
    {
        await using FfnServer server = await FfnServer.StartAsync(options =>
        {
            options.Batching.MaxQueueDelay = delay ? TimeSpan.FromMilliseconds(5) : TimeSpan.Zero;
            options.Batching.BatchInvariant = !delay;
        });
        int? thread = null;
        server.Gate.Failing = _ => thread = Environment.CurrentManagedThreadId;
        FfnCall call = server.Call("m/0", 1);

        // A runner between reading the clock and setting its timer would wait for a time that never comes.
        await server.RunnerSleepsAsync();
        server.Time.Advance(TimeSpan.FromMilliseconds(5));
        await call.AssertAnsweredAsync();
        Assert.That(thread, Is.Not.EqualTo(Environment.CurrentManagedThreadId));
    }

    [Test]
    public async Task Nobody_runs_past_those_that_wait_for_the_same_layer()
    {
        await using FfnServer server = await FfnServer.StartAsync(static options => options.Batching.MaxConcurrentBatches = 2);
        FfnCall first = await server.HoldAsync();
        FfnCall second = server.Call("m/0", 1, 2, apart: true);
        await server.Gate.ForwardsStarted.WaitAsync();
        FfnCall third = server.Call("m/0", 1, 3);
        FfnCall fourth = server.Call("m/0", 2, 4);
        FfnCall other = server.Call("m/1", 4, 5);
        Assert.That((third.Task.IsCompleted, fourth.Task.IsCompleted, other.Task.IsCompleted), Is.EqualTo((false, false, false)));
        server.Gate.Open();
        await Task.WhenAll(new[] { first, second, third, fourth, other }.Select(static call => call.AssertAnsweredAsync()));
        Assert.That(server.Gate.Rows, Is.EquivalentTo(new[] { 1, 3, 4 }));
    }

    [Test]
    public async Task As_many_batches_run_at_a_time_as_there_are_processors_for()
    {
        await using FfnServer server = await FfnServer.StartAsync(static options => options.Batching.MaxConcurrentBatches = 3);
        FfnCall held = await server.HoldAsync();
        FfnCall[] direct = [server.Call("m/0", 1, 1, apart: true), server.Call("m/0", 1, 2, apart: true)];
        await StartedAsync(server, 2);
        FfnCall[] waiting = [.. Enumerable.Range(0, 4).Select(i => server.Call($"m/{i % 2}", 8, i))];
        Assert.That(server.Runtime.WaitingTokens, Is.EqualTo(32));
        server.Gate.Open();
        await Task.WhenAll([.. direct.Append(held).Concat(waiting).Select(static call => call.AssertAnsweredAsync())]);
    }

    // The first of them has nothing to wait for; the second is the first one's runner's affair.
    [Test]
    public async Task A_runner_that_leaves_processors_idle_while_others_wait_gets_help()
    {
        await using FfnServer server = await FfnServer.StartAsync(static options => options.Batching.MaxConcurrentBatches = 2);
        FfnCall held = await server.HoldAsync();
        FfnCall direct = server.Call("m/0", 1, 1, apart: true);
        await StartedAsync(server, 1);
        FfnCall[] waiting = [.. Enumerable.Range(0, 4).Select(i => server.Call($"m/{i % 2}", 8, i))];
        using var together = new Barrier(2);
        bool met = false;
        server.Gate.Failing = rows => met |= rows == 8 && together.SignalAndWait(Patience);
        server.Gate.Open();
        await Task.WhenAll([.. waiting.Append(held).Append(direct).Select(static call => call.AssertAnsweredAsync())]);
        Assert.That(met, Is.True, "two batches ran at one time");
    }

    // So that a large request of a size that nobody asked for yet does not hold its caller's thread.
    [Test]
    public void A_size_that_was_not_run_yet_is_expected_to_take_as_long_a_token_as_the_next_smaller_one()
    {
        var times = new ForwardTimes();
        Assert.That(times.Expected(64), Is.Zero);
        times.Measured(2, TimeSpan.FromMilliseconds(3));
        times.Measured(64, TimeSpan.FromMilliseconds(40));
        Assert.That(
            ((int[])[1, 2, 16, 64, 1024]).Select(times.Expected), Is.EqualTo(new[] { 0, 0.003, 0.024, 0.04, 0.64 }).Within(1e-12));
    }

    private static async Task StartedAsync(FfnServer server, int forwards)
    {
        for (int i = 0; i < forwards; i++)
        {
            Assert.That(await server.Gate.ForwardsStarted.WaitAsync(Patience), Is.True);
        }
    }
}
