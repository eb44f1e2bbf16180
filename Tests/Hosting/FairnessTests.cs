using NativeFfn.Hosting;
using NativeFfn.Hosting.Batching;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>Priorities, models' parts of the time, and room for who has less of the queue.</summary>
public sealed class FairnessTests
{
    [Test]
    public async Task Higher_priorities_go_first_and_lower_ones_fill_their_batches()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall[] calls =
        [
            server.Call("m/0", 3, 1, priority: FfnPriority.Low), server.Call("m/1", 4, 2), server.Call("m/1", 5, 3),
            server.Call("m/0", 6, 4, priority: FfnPriority.High), server.Call("m/0", 2, 5),
        ];
        server.Gate.Open();
        await AnsweredAsync([held, .. calls]);

        // 6 with high priority and 2 of the same layer; then the two of the other layer, which do not fit together; the low one last.
        Assert.That(server.Gate.Rows, Is.EqualTo(new[] { 8, 4, 5, 3 }));
        var none = new FfnRequestOptions(Priority: (FfnPriority)2);
        Assert.That(
            () => server.Client.ForwardAsync("m/0", new float[16], new float[16], none), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public async Task A_flood_makes_room_for_a_layer_that_has_less_of_the_queue_by_its_last_requests()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall[] flood = [.. Enumerable.Range(0, 16).Select(i => server.Call("m/0", 4, i))];
        Assert.That(server.Client.WouldRefuse("m/1", 6, out _), Is.False);
        FfnCall other = server.Call("m/1", 6, 20);
        FfnQueueFullException pushedOut = (await Assert.ThrowsAsync<FfnQueueFullException>(() => flood[^1].Task))!;
        await Assert.ThrowsAsync<FfnQueueFullException>(() => flood[^2].Task);
        await Assert.ThrowsAsync<FfnQueueFullException>(() => server.Call("m/1", 60, 21).Task);
        server.Gate.Open();
        await AnsweredAsync([held, other, .. flood[..^2]]);
        Assert.That(pushedOut.Message, Does.Contain("m/0 has the most of it"));
    }

    [Test]
    public async Task Models_get_their_parts_of_the_time_by_their_weights()
    {
        await using FfnServer server = await FfnServer.StartAsync(static options =>
        {
            (FfnSpec spec, FfnMemoryWeights weights) = FfnServer.ExactLayer(50);
            options.AddLayer("heavy", spec, weights);
            options.Models["heavy"].Weight = 3;
            options.Batching.QueueCapacityTokens = 1024;
        });
        FfnCall held = await server.HoldAsync();
        FfnCall[] calls = [.. Enumerable.Range(0, 48).Select(i => server.Call(i % 2 == 0 ? "m/0" : "heavy/0", 8, i))];
        server.Gate.Failing = _ => server.Time.Advance(TimeSpan.FromMilliseconds(10));
        server.Gate.Open();
        await AnsweredAsync([held, .. calls]);
        FfnLayer heavy = server.Client.GetLayer("heavy/0");
        Assert.That(server.Gate.Forwards.Take(24).Count(forward => forward.Layer == heavy), Is.InRange(17, 19), "three of four");
    }

    [Test]
    public void Who_wanted_nothing_for_a_while_has_no_claim_on_that_time()
    {
        var root = new FairShare(1, parent: null);
        FairShare[] layers = [.. Enumerable.Range(0, 2).Select(_ => new FairShare(1, new FairShare(1, root)))];
        layers[0].Wait(1);
        for (int i = 0; i < 100; i++)
        {
            layers[0].Use(1);
        }

        layers[1].Wait(1);
        int served = 0;
        for (int i = 0; i < 10; i++)
        {
            FairShare next = layers[1].IsBefore(layers[0]) ? layers[1] : layers[0];
            served += next == layers[1] ? 1 : 0;
            next.Use(1);
        }

        Assert.That(served, Is.InRange(5, 6));
    }

    [Test]
    public void Rows_are_run_together_only_where_that_is_faster_and_that_is_tried_again()
    {
        var times = new ForwardTimes();
        Assert.That(times.Pays(4, 4), Is.True, "not tried yet");
        times.Measured(4, TimeSpan.FromMilliseconds(1));
        times.Measured(8, TimeSpan.FromMilliseconds(1.5));
        Assert.That(times.Pays(4, 4), Is.True);
        times.Measured(16, TimeSpan.FromMilliseconds(4));
        int refusals = 0;
        while (!times.Pays(8, 8))
        {
            refusals++;
        }

        Assert.That(refusals, Is.InRange(5, 50));
    }

    private static Task AnsweredAsync(params FfnCall[] calls) => Task.WhenAll(calls.Select(static call => call.AssertAnsweredAsync()));
}
