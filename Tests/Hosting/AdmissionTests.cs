using NativeFfn.Hosting;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>What does not get into the queue, or comes out of it without being run.</summary>
public sealed class AdmissionTests
{
    private const int Width = 16;

    private static readonly TimeSpan Deadline = TimeSpan.FromMilliseconds(10);

    [Test]
    public async Task A_full_queue_refuses_and_says_when_to_come_back()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        await MeasureAsync(server);
        FfnCall held = await server.HoldAsync();
        FfnCall[] waiting = [.. Enumerable.Range(0, 6).Select(i => server.Call("m/0", 10, i))];
        FfnQueueFullException full = (await Assert.ThrowsAsync<FfnQueueFullException>(() => server.Call("m/0", 5).Task))!;
        FfnCall fits = server.Call("m/1", 4);
        server.Gate.Open();
        await Task.WhenAll(waiting.Append(fits).Append(held).Select(static call => call.AssertAnsweredAsync()));
        using (Assert.EnterMultipleScope())
        {
            // 60 tokens waited, and the one batch that was measured took 10 ms for 8 tokens.
            Assert.That(full.RetryAfter, Is.EqualTo(TimeSpan.FromMilliseconds(75)));
            Assert.That(full.Message, Does.Contain("60 of 64 tokens").And.Contain("5 more"));
        }

        await server.Call("m/0", 64).AssertAnsweredAsync();
    }

    [Test]
    public async Task Before_anything_was_measured_a_full_queue_asks_for_a_second()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall waiting = server.Call("m/0", 64);
        FfnQueueFullException full = (await Assert.ThrowsAsync<FfnQueueFullException>(() => server.Call("m/0", 1).Task))!;
        Assert.That(full.RetryAfter, Is.EqualTo(TimeSpan.FromSeconds(1)));
        server.Gate.Open();
        await Task.WhenAll(held.AssertAnsweredAsync(), waiting.AssertAnsweredAsync());
    }

    [Test]
    public async Task A_queue_may_be_full_in_time_before_it_is_in_tokens()
    {
        await using FfnServer server = await FfnServer.StartAsync(
            static options => options.Batching.QueueCapacityTime = TimeSpan.FromMilliseconds(46));
        await MeasureAsync(server);

        // At 1.25 ms a token: 1 runs and 30 wait, which is 38.75 ms; 10 more make it 51.25.
        FfnCall held = await server.HoldAsync();
        FfnCall[] waiting = [.. Enumerable.Range(0, 4).Select(i => server.Call("m/0", 10, i))];
        FfnQueueFullException full = (await Assert.ThrowsAsync<FfnQueueFullException>(() => server.Call("m/0", 1).Task))!;
        server.Gate.Open();
        await Task.WhenAll(waiting.Append(held).Select(static call => call.AssertAnsweredAsync()));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(full.RetryAfter, Is.EqualTo(TimeSpan.FromMilliseconds(50)));
            Assert.That(full.Message, Does.Contain("40 tokens wait").And.Contain("1 more would wait longer than 0.046 s"));
        }
    }

    [Test]
    public async Task Who_finds_nobody_waiting_is_taken_however_slow_the_engine_is()
    {
        await using FfnServer server = await FfnServer.StartAsync(
            static options => options.Batching.QueueCapacityTime = TimeSpan.FromMilliseconds(1));
        await MeasureAsync(server);
        FfnCall held = await server.HoldAsync();
        FfnCall first = server.Call("m/0", 20);
        await Assert.ThrowsAsync<FfnQueueFullException>(() => server.Call("m/0", 1).Task);
        server.Gate.Open();
        await Task.WhenAll(held.AssertAnsweredAsync(), first.AssertAnsweredAsync());
        await server.Call("m/0", 20).AssertAnsweredAsync();
    }

    // A forward of few tokens costs nearly as much as one of many, so that by it a full queue would seem to take forever.
    [Test]
    public async Task A_batch_that_took_all_there_was_tells_no_time()
    {
        await using FfnServer server = await FfnServer.StartAsync(
            static options => options.Batching.QueueCapacityTime = TimeSpan.FromMilliseconds(46));
        server.Gate.Failing = _ => server.Time.Advance(TimeSpan.FromSeconds(1));
        await server.Call("m/0", 1).AssertAnsweredAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall[] waiting = [.. Enumerable.Range(0, 6).Select(i => server.Call("m/0", 10, i))];
        server.Gate.Open();
        await Task.WhenAll(waiting.Append(held).Select(static call => call.AssertAnsweredAsync()));
    }

    [Test]
    public async Task It_can_be_asked_beforehand_whether_there_is_room()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        await MeasureAsync(server);
        FfnCall held = await server.HoldAsync();
        FfnCall waiting = server.Call("m/0", 60);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(server.Client.WouldRefuse("m/0", 4, out TimeSpan retryAfter), Is.False);
            Assert.That(retryAfter, Is.EqualTo(TimeSpan.Zero));
            Assert.That(server.Client.WouldRefuse("m/0", 5, out retryAfter), Is.True);
            Assert.That(retryAfter, Is.EqualTo(TimeSpan.FromMilliseconds(75)));

            // What would never fit is told by the forward itself.
            Assert.That(server.Client.WouldRefuse("m/0", 65, out _), Is.False);
            Assert.That(() => server.Client.WouldRefuse("m/2", 1, out _), Throws.TypeOf<FfnLayerNotFoundException>());
        }

        server.Gate.Open();
        await Task.WhenAll(held.AssertAnsweredAsync(), waiting.AssertAnsweredAsync());
        await server.StopAsync();
        Assert.That(server.Client.WouldRefuse("m/0", 1, out _), Is.False);
    }

    [Test]
    public async Task A_request_that_waits_past_its_deadline_is_not_run([Values] bool ofItsOwn)
    {
        await using FfnServer server = await FfnServer.StartAsync(
            options => options.Batching.DefaultDeadline = ofItsOwn ? TimeSpan.FromMinutes(1) : Deadline);
        FfnCall held = await server.HoldAsync();
        FfnCall late = server.Call("m/0", 2, 1, deadline: ofItsOwn ? Deadline : null);
        FfnCall patient = server.Call("m/0", 3, 2, deadline: Timeout.InfiniteTimeSpan);
        server.Time.Advance(Deadline);
        FfnCall inTime = server.Call("m/0", 4, 3);
        server.Gate.Open();
        await Assert.ThrowsAsync<FfnDeadlineException>(() => late.Task);
        await Task.WhenAll(held.AssertAnsweredAsync(), patient.AssertAnsweredAsync(), inTime.AssertAnsweredAsync());
        Assert.That(server.Gate.Rows, Is.EqualTo(new[] { 7 }));
    }

    [Test]
    public async Task A_deadline_that_passes_behind_a_running_batch_is_told_then_and_frees_its_place()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall later = server.Call("m/1", 20, 1, deadline: 2 * Deadline);
        FfnCall patient = server.Call("m/0", 3, 2);
        FfnCall late = server.Call("m/0", 40, 3, deadline: Deadline);
        server.Time.Advance(Deadline - TimeSpan.FromMilliseconds(1));
        Assert.That(late.Task.IsCompleted, Is.False);
        server.Time.Advance(TimeSpan.FromMilliseconds(1));

        // The batch still runs; a test of the faulty queue ends here and does not hang.
        FfnDeadlineException thrown = (await Assert.ThrowsAsync<FfnDeadlineException>(
            () => late.Task.WaitAsync(TimeSpan.FromSeconds(30))))!;
        FfnCall inItsPlace = server.Call("m/0", 41, 4);
        Assert.That((held.Task.IsCompleted, later.Task.IsCompleted), Is.EqualTo((false, false)));
        server.Time.Advance(Deadline);
        await Assert.ThrowsAsync<FfnDeadlineException>(() => later.Task.WaitAsync(TimeSpan.FromSeconds(30)));
        server.Gate.Open();
        await Task.WhenAll(new[] { held, patient, inItsPlace }.Select(static call => call.AssertAnsweredAsync()));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(thrown.Message, Does.Contain("10 ms so far"));
            Assert.That(server.Gate.Rows, Is.EqualTo(new[] { 3, 41 }));
        }
    }

    [Test]
    public async Task A_deadline_that_has_passed_already_is_refused_at_once()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        await Assert.ThrowsAsync<FfnDeadlineException>(() => server.Call("m/0", 1, deadline: TimeSpan.Zero).Task);
        Assert.That(server.Gate.Rows, Is.Empty);
    }

    [Test]
    public async Task A_cancelled_request_leaves_the_queue_at_once_and_is_not_run()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        using var cancellation = new CancellationTokenSource();
        FfnCall held = await server.HoldAsync();
        FfnCall before = server.Call("m/0", 1, 1);
        FfnCall cancelled = server.Call("m/0", 60, 2, cancellationToken: cancellation.Token);
        FfnCall after = server.Call("m/0", 2, 3);
        await cancellation.CancelAsync();
        OperationCanceledException thrown = (await Assert.CatchAsync<OperationCanceledException>(() => cancelled.Task))!;
        Assert.That(thrown.CancellationToken, Is.EqualTo(cancellation.Token));
        FfnCall inItsPlace = server.Call("m/0", 61, 4);
        server.Gate.Open();
        await Task.WhenAll(new[] { held, before, after, inItsPlace }.Select(static call => call.AssertAnsweredAsync()));
        Assert.That(server.Gate.Rows, Is.EqualTo(new[] { 3, 61 }));
    }

    [Test]
    public async Task A_request_that_runs_is_not_cancelled()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        using var cancellation = new CancellationTokenSource();
        server.Gate.Close();
        FfnCall running = server.Call("m/0", 1, 1, cancellationToken: cancellation.Token, apart: true);
        await server.Gate.ForwardsStarted.WaitAsync();
        await cancellation.CancelAsync();
        Assert.That(running.Task.IsCompleted, Is.False);
        server.Gate.Open();
        await running.AssertAnsweredAsync();
    }

    [Test]
    public async Task A_token_that_is_cancelled_already_sends_nothing()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        await Assert.CatchAsync<OperationCanceledException>(
            () => server.Call("m/0", 1, cancellationToken: new CancellationToken(true)).Task);
        Assert.That(server.Gate.Rows, Is.Empty);
    }

    [Test]
    public async Task A_layer_that_is_not_there_is_named_with_those_that_are()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnLayerNotFoundException thrown = (await Assert.ThrowsAsync<FfnLayerNotFoundException>(
            () => server.Client.ForwardAsync("m/2", new float[Width], new float[Width]).AsTask()))!;
        Assert.That(thrown.Message, Is.EqualTo("There is no layer 'm/2'. There are m/0, m/1."));
        Assert.That(thrown.Layer, Is.EqualTo("m/2"));
        await server.Call("1", 1).AssertAnsweredAsync();
    }

    [TestCase(Width + 1, Width, "input has 17 elements, which is no whole number of rows of 16")]
    [TestCase(2 * Width, Width, "output has 16 elements; 2 rows of m/0 need 32")]
    [TestCase(65 * Width, 65 * Width, "input has 65 rows, more than the 64 that the queue ever holds")]
    public async Task Lengths_that_do_not_fit_are_refused_at_the_call(int input, int output, string message)
    {
        await using FfnServer server = await FfnServer.StartAsync();
        Assert.That(
            () => server.Client.ForwardAsync("m/0", new float[input], new float[output]),
            Throws.ArgumentException.With.Message.Contain(message));
    }

    [Test]
    public async Task No_tokens_are_answered_without_a_forward()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        await server.Client.ForwardAsync("m/0", Array.Empty<float>(), Array.Empty<float>());
        Assert.That(server.Gate.Rows, Is.Empty);
    }

    [Test]
    public async Task Memory_may_be_the_same_but_not_overlap_in_part()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        float[] memory = [.. Enumerable.Range(0, 3 * Width).Select(static i => (float)(i % 5))];
        float[] expected = new float[2 * Width];
        server.Client.GetLayer("m/0").Forward(memory.AsSpan(0, 2 * Width), expected);
        Assert.That(
            () => server.Client.ForwardAsync("m/0", memory.AsMemory(0, 2 * Width), memory.AsMemory(Width, 2 * Width)),
            Throws.ArgumentException.With.Message.Contain("overlaps input in part"));
        await server.Client.ForwardAsync("m/0", memory.AsMemory(0, 2 * Width), memory.AsMemory(0, 2 * Width));
        Assert.That(memory[..(2 * Width)], Is.EqualTo(expected));
    }

    [TestCase("/home/a b/models/model.safetensors")]
    [TestCase("models/x/model.safetensors")]
    [TestCase(@"C:\models\model.safetensors")]
    public async Task A_refusal_names_no_folder_of_the_host(string path)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.Gelu, 8, 16).WithoutBlock(
            $"{path} has no tensor 'n/a.weight', a norm of layer 0; the other modes work without.");
        await using FfnServer server = await FfnServer.StartAsync(options => options.AddLayer("plain", spec, new XavierWeights(spec, 1)));
        Assert.That(
            () => server.Client.ForwardAsync("plain/0", new float[8], new float[8], new FfnRequestOptions(FfnMode.Block)),
            Throws.TypeOf<NotSupportedException>()
                .With.Message.StartWith("plain/0 has no block mode: model.safetensors has no tensor 'n/a.weight'"));
    }

    [Test]
    public async Task Modes_that_a_layer_has_not_are_refused_at_the_call()
    {
        FfnSpec narrowing = FfnSpec.Stack(new FfnStage(FfnKind.Relu, 8, 4, false));
        FfnSpec normless = FfnSpec.Create(FfnKind.Gelu, 8, 16).WithoutBlock("its norm is elsewhere");
        await using FfnServer server = await FfnServer.StartAsync(options => options
            .AddLayer("n", narrowing, new XavierWeights(narrowing, 1)).AddLayer("n", normless, new XavierWeights(normless, 1)));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => Send("n/0", 4, FfnMode.Residual), Throws.TypeOf<NotSupportedException>().With.Message.Contain(
                "turns 8 elements into 4"));
            Assert.That(
                () => Send("n/1", 8, FfnMode.Block), Throws.TypeOf<NotSupportedException>().With.Message.Contain("its norm is elsewhere"));
            Assert.That(() => Send("n/1", 8, (FfnMode)9), Throws.TypeOf<ArgumentOutOfRangeException>());
        }

        ValueTask Send(string layer, int width, FfnMode mode) =>
            server.Client.ForwardAsync(layer, new float[8], new float[width], new FfnRequestOptions(mode));
    }

    // Has the engine take 10 ms for a batch of 8 tokens that leaves one waiting, which is 1.25 ms a token.
    private static async Task MeasureAsync(FfnServer server)
    {
        FfnCall held = await server.HoldAsync();
        FfnCall measured = server.Call("m/0", 8);
        FfnCall left = server.Call("m/0", 1);
        server.Gate.Failing = _ => server.Time.Advance(TimeSpan.FromMilliseconds(10));
        server.Gate.Open();
        await Task.WhenAll(held.AssertAnsweredAsync(), measured.AssertAnsweredAsync(), left.AssertAnsweredAsync());
    }
}
