using System.Diagnostics;
using System.Diagnostics.Metrics;
using NativeFfn.Hosting;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>The meter and the activity source, as a listener sees them.</summary>
[NonParallelizable]
public sealed class TelemetryTests
{
    private static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(30);
    private static readonly TimeSpan Execution = TimeSpan.FromMilliseconds(20);

    [Test]
    public async Task Batches_are_counted_and_timed_with_units()
    {
        using var listener = new Listener();
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall[] calls = [server.Call("m/1", 3, 1), server.Call("m/1", 2, 2)];
        server.Time.Advance(Wait);
        server.Gate.Failing = _ => server.Time.Advance(Execution);
        listener.Observe();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(listener.Of("nativeffn.queue.usage", "{token}"), Does.Contain("5 nativeffn.engine=default"));
            Assert.That(listener.Of("nativeffn.queue.limit", "{token}"), Does.Contain("64 nativeffn.engine=default"));
            Assert.That(listener.Of("nativeffn.weights.size", "By"), Is.EqualTo(
                server.Client.Layers.Select(static layer => $"{layer.WeightBytes} {Tags(layer.Name, mode: null)}")));
        }

        server.Gate.Open();
        await Task.WhenAll(calls.Append(held).Select(static call => call.Task));
        await server.StopAsync();
        using (Assert.EnterMultipleScope())
        {
            // The held request came and ran while the clock stood, and its forward took both advances.
            Assert.That(listener.Of("nativeffn.batch.size", "{token}"), Is.EqualTo(
                new[] { $"1 {Tags("m/0")}", $"5 {Tags("m/1")}" }));
            Assert.That(listener.Of("nativeffn.batch.requests", "{request}"), Is.EqualTo(
                new[] { $"1 {Tags("m/0")}", $"2 {Tags("m/1")}" }));
            Assert.That(listener.Of("nativeffn.forward.duration", "s"), Is.EqualTo(
                new[] { $"0.05 {Tags("m/0")} nativeffn.direct=True", $"0.02 {Tags("m/1")} nativeffn.direct=False" }));
            Assert.That(listener.Of("nativeffn.queue.duration", "s"), Is.EqualTo(
                new[] { $"0 {Tags("m/0")}", $"0.05 {Tags("m/1")}", $"0.05 {Tags("m/1")}" }));
            Assert.That(listener.Of("nativeffn.tokens", "{token}"), Is.EqualTo(
                new[] { $"1 {Tags("m/0")}", $"3 {Tags("m/1")}", $"2 {Tags("m/1")}" }));
        }
    }

    [Test]
    public async Task A_mixture_tells_how_its_experts_are_loaded()
    {
        using var listener = new Listener();
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 16, 24).WithExperts(new MixtureSpec(3, 3));
        await using FfnServer server = await FfnServer.StartAsync(options => options.AddLayer("mixture", spec, new XavierWeights(spec, 1)));
        listener.Observe();
        Assert.That(listener.Of("nativeffn.expert.imbalance", "1"), Is.Empty);
        await server.Client.ForwardAsync("mixture/0", new float[4 * 16], new float[4 * 16]);
        listener.Observe();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                listener.Of("nativeffn.expert.tokens", "{token}").TakeLast(3),
                Is.EqualTo(Enumerable.Range(0, 3).Select(static expert => $"4 {Tags("mixture/0", mode: null)} nativeffn.expert={expert}")));
            Assert.That(listener.Of("nativeffn.expert.imbalance", "1"), Is.EqualTo(new[] { $"1 {Tags("mixture/0", mode: null)}" }));
        }
    }

    [Test]
    public async Task The_warm_ups_tokens_are_no_experts_load()
    {
        using var listener = new Listener();
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 16, 24).WithExperts(new MixtureSpec(3, 3));
        await using FfnServer server = await FfnServer.StartAsync(options =>
        {
            options.Warmup.Enabled = true;
            options.AddLayer("mixture", spec, new XavierWeights(spec, 1));
        });
        await server.Client.ForwardAsync("mixture/0", new float[4 * 16], new float[4 * 16]);
        listener.Observe();
        Assert.That(
            listener.Of("nativeffn.expert.tokens", "{token}").TakeLast(3),
            Is.EqualTo(Enumerable.Range(0, 3).Select(static expert => $"4 {Tags("mixture/0", mode: null)} nativeffn.expert={expert}")));
    }

    [Test]
    public async Task Counters_begin_at_0_and_the_warm_up_counts_nowhere()
    {
        using var listener = new Listener();
        await using FfnServer server = await FfnServer.StartAsync(static options => options.Warmup.Enabled = true);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(listener.Begun, Is.SupersetOf(new[]
            {
                $"nativeffn.tokens: 0 {Tags("m/1", "block")}", $"nativeffn.failures: 0 {Tags("m/0", "residual")}",
                $"nativeffn.rejections: 0 {Tags("m/0", mode: null)} error.type=deadline",
            }));
            Assert.That(
                new[] { ("nativeffn.tokens", "{token}"), ("nativeffn.batch.size", "{token}"), ("nativeffn.queue.duration", "s") }
                    .SelectMany(one => listener.Of(one.Item1, one.Item2)),
                Is.Empty);
        }
    }

    [Test]
    public async Task Rejections_are_counted_by_reason_and_failures_apart()
    {
        using var listener = new Listener();
        await using FfnServer server = await FfnServer.StartAsync();
        using var cancellation = new CancellationTokenSource();
        FfnCall held = await server.HoldAsync();
        Task[] refused =
        [
            server.Call("m/0", 1, cancellationToken: cancellation.Token).Task,
            server.Call("m/0", 60, deadline: Wait).Task,
            server.Call("m/0", 40).Task,
        ];
        Assert.That(server.Client.WouldRefuse("m/1", 40, out _), Is.True);
        await cancellation.CancelAsync();
        server.Time.Advance(Wait);
        server.Gate.Failing = static rows =>
        {
            if (rows > 1)
            {
                throw new InsufficientMemoryException();
            }
        };
        FfnCall failing = server.Call("m/0", 2);
        server.Gate.Open();
        await Assert.ThrowsAsync<InsufficientMemoryException>(() => failing.Task);
        await held.Task;
        Task stopped = server.StopAsync();
        await Task.WhenAll(refused).ContinueWith(static _ => { }, TaskScheduler.Default);
        await stopped;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(listener.Of("nativeffn.rejections", "{request}"), Is.EquivalentTo(new[] { "cancelled", "queue_full", "deadline" }
                .Select(static reason => $"1 {Tags("m/0", mode: null)} error.type={reason}").Append(
                    $"1 {Tags("m/1", mode: null)} error.type=queue_full")));
            Assert.That(listener.Of("nativeffn.failures", "{request}"), Is.EqualTo(
                new[] { $"1 {Tags("m/0")} error.type=System.InsufficientMemoryException" }));
        }
    }

    [Test]
    public async Task A_listener_that_throws_costs_no_request_its_answer()
    {
        using var listener = new Listener { Throws = true };
        await using FfnServer server = await FfnServer.StartAsync();
        await server.Call("m/0", 2).AssertAnsweredAsync();
        await Assert.ThrowsAsync<FfnDeadlineException>(() => server.Call("m/0", 1, deadline: TimeSpan.Zero).Task);
        await server.Call("m/0", 2).AssertAnsweredAsync();
    }

    [Test]
    public async Task A_request_is_an_activity_under_its_callers()
    {
        var done = new TaskCompletionSource<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name is "NativeFfn" or "NativeFfn.Tests",
            Sample = static (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity =>
            {
                if (activity.OperationName == "nativeffn.forward")
                {
                    done.TrySetResult(activity);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        using var source = new ActivitySource("NativeFfn.Tests");
        await using FfnServer server = await FfnServer.StartAsync();
        using Activity caller = source.StartActivity("caller")!;
        await server.Call("m/1", 3).AssertAnsweredAsync();
        Activity activity = await done.Task;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Activity.Current, Is.SameAs(caller));
            Assert.That(activity.ParentSpanId, Is.EqualTo(caller.SpanId));
            Assert.That(activity.GetTagItem("nativeffn.layer"), Is.EqualTo("m/1"));
            Assert.That(activity.GetTagItem("nativeffn.tokens"), Is.EqualTo(3));
        }
    }

    private static string Tags(string layer, string? mode = "ffn") =>
        $"nativeffn.engine=default nativeffn.layer={layer}" + (mode is null ? string.Empty : $" nativeffn.mode={mode}");

    /// <summary>Everything that the meter records: value and tags as text, by instrument.</summary>
    private sealed class Listener : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly List<(Instrument Instrument, string Text)> _seen = [];
        private readonly List<(Instrument Instrument, string Text)> _begun = [];

        public Listener()
        {
            _listener.InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name == "NativeFfn")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<int>(Record);
            _listener.SetMeasurementEventCallback<long>(Record);
            _listener.SetMeasurementEventCallback<double>(Record);
            _listener.Start();
        }

        public bool Throws { get; init; }

        public IEnumerable<string> Begun => _begun.Select(static begun => $"{begun.Instrument.Name}: {begun.Text}");

        public void Observe() => _listener.RecordObservableInstruments();

        public string[] Of(string name, string unit)
        {
            lock (_seen)
            {
                return [.. _seen.Where(seen => seen.Instrument.Name == name && seen.Instrument.Unit == unit).Select(
                    static seen => seen.Text)];
            }
        }

        public void Dispose() => _listener.Dispose();

        private void Record<T>(Instrument instrument, T value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state)
        {
            if (Throws)
            {
                throw new InvalidOperationException("a listener's own");
            }

            string text = FormattableString.Invariant($"{value}");
            foreach ((string key, object? tag) in tags)
            {
                text += $" {key}={tag}";
            }

            lock (_seen)
            {
                // A counter that begins tells nothing but that it is there.
                bool begins = instrument is Counter<long> && EqualityComparer<T>.Default.Equals(value, default);
                (begins ? _begun : _seen).Add((instrument, text));
            }
        }
    }
}
