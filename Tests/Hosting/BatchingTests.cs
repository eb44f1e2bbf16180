using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>Which waiting requests are run together, and in which order.</summary>
public sealed class BatchingTests
{
    private static readonly string[] Fair = ["m/1", "m/0", "m/1", "m/0", "m/0"];

    [Test]
    public async Task Requests_that_wait_are_run_together_in_the_order_of_arrival()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall[] calls = [.. new[] { 3, 2, 2, 5, 1, 8, 1 }.Select((tokens, i) => server.Call("m/0", tokens, i))];
        server.Gate.Open();
        await AnsweredAsync([held, .. calls]);

        // At most 8 tokens: 3 + 2 + 2, for 5 more do not fit and nobody overtakes; 5 + 1; 8; 1.
        Assert.That(server.Gate.Rows, Is.EqualTo(new[] { 7, 6, 8, 1 }));
    }

    [Test]
    public async Task A_request_of_more_than_a_batch_runs_alone()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall[] calls = [.. new[] { 1, 20, 2, 3 }.Select((tokens, i) => server.Call("m/0", tokens, i))];
        server.Gate.Open();
        await AnsweredAsync([held, .. calls]);
        Assert.That(server.Gate.Rows, Is.EqualTo(new[] { 1, 20, 5 }));
    }

    [Test]
    public async Task Layers_take_turns_however_much_one_is_asked_for()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall[] calls = [.. new[] { "m/1", "m/1", "m/0", "m/0", "m/0" }.Select((layer, i) => server.Call(layer, 8, i))];
        server.Gate.Open();
        await AnsweredAsync([held, .. calls]);
        Assert.That(
            server.Gate.Forwards.Select(forward => forward.Layer == server.Client.GetLayer("m/0") ? "m/0" : "m/1"), Is.EqualTo(Fair));
    }

    [Test]
    public async Task Modes_are_not_mixed()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall[] calls =
            [.. Enum.GetValues<FfnMode>().SelectMany(mode => new[] { server.Call("m/0", 2, 1, mode), server.Call("m/0", 1, 2, mode) })];
        server.Gate.Open();
        await AnsweredAsync([held, .. calls]);
        Assert.That(server.Gate.Forwards.Select(static forward => (forward.Mode, forward.Rows)), Is.EqualTo(
            Enum.GetValues<FfnMode>().Select(static mode => (mode, 3))));
    }

    [Test]
    public async Task Without_batching_every_request_runs_alone()
    {
        await using FfnServer server = await FfnServer.StartAsync(static options => options.Batching.Enabled = false);
        FfnCall held = await server.HoldAsync();
        FfnCall[] calls = [.. new[] { 1, 2, 9 }.Select((tokens, i) => server.Call("m/0", tokens, i))];
        server.Gate.Open();
        await AnsweredAsync([held, .. calls]);
        Assert.That(server.Gate.Rows, Is.EqualTo(new[] { 1, 2, 9 }));
    }

    [Test]
    public async Task A_delay_waits_for_a_batch_to_fill_but_no_longer()
    {
        await using FfnServer server = await FfnServer.StartAsync(
            static options => options.Batching.MaxQueueDelay = TimeSpan.FromMilliseconds(5));
        FfnCall first = server.Call("m/0", 1, 1);
        await server.RunnerSleepsAsync();
        server.Time.Advance(TimeSpan.FromMilliseconds(4));
        FfnCall second = server.Call("m/0", 2, 2);
        FfnCall other = server.Call("m/1", 1, 3);
        await server.RunnerSleepsAsync();
        Assert.That(server.Gate.Rows, Is.Empty);

        server.Time.Advance(TimeSpan.FromMilliseconds(1));
        await AnsweredAsync(first, second);
        Assert.That(server.Gate.Rows, Is.EqualTo(new[] { 3 }));

        FfnCall filling = server.Call("m/1", 7, 4);
        await AnsweredAsync(other, filling);
        Assert.That(server.Gate.Rows, Is.EqualTo(new[] { 3, 8 }));
    }

    [Test]
    public async Task Without_a_delay_an_idle_engine_runs_a_request_at_once()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        for (int i = 0; i < 20; i++)
        {
            await server.Call("m/0", 1, i).AssertAnsweredAsync();
        }

        Assert.That(server.Gate.Rows, Is.EqualTo(Enumerable.Repeat(1, 20)));
    }

    private static Task AnsweredAsync(params FfnCall[] calls) => Task.WhenAll(calls.Select(static call => call.AssertAnsweredAsync()));
}
