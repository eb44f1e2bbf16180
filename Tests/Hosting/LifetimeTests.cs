using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using NativeFfn.Hosting;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>Start, readiness, drain and disposal.</summary>
public sealed class LifetimeTests
{
    [Test]
    public async Task Before_the_start_nothing_is_taken_and_the_server_is_not_ready()
    {
        await using FfnServer server = FfnServer.Create(
            static services => services.AddNativeFfn(static options => FfnServer.Defaults(options)));
        await Assert.ThrowsAsync<FfnUnavailableException>(() => server.Client.ForwardAsync("m/0", new float[16], new float[16]).AsTask());
        Assert.That((await server.HealthAsync()).Status, Is.EqualTo(HealthStatus.Unhealthy));
        await server.StartHostAsync();
        HealthReportEntry health = await server.HealthAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(health.Status, Is.EqualTo(HealthStatus.Healthy));
            Assert.That(health.Description, Is.EqualTo("2 layers on managed."));
        }
    }

    [Test]
    public async Task Stopping_lets_everything_finish_that_was_taken()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall[] waiting = [.. Enumerable.Range(0, 20).Select(i => server.Call($"m/{i % 2}", 3, i))];
        FfnLayer layer = server.Client.GetLayer("m/0");
        Task stopped = server.StopAsync();
        await Assert.ThrowsAsync<FfnUnavailableException>(() => server.Client.ForwardAsync("m/0", new float[16], new float[16]).AsTask());
        Assert.That(stopped.IsCompleted, Is.False);
        server.Gate.Open();
        await Task.WhenAll(waiting.Append(held).Select(static call => call.Task));
        await stopped;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => layer.Forward(new float[16], new float[16]), Throws.TypeOf<ObjectDisposedException>());
            Assert.That((await server.HealthAsync()).Description, Is.EqualTo("The engine is shut down."));
        }
    }

    [Test]
    public async Task Services_that_stop_are_served_until_they_have_while_health_says_to_go_elsewhere()
    {
        var late = new LateService();
        await using FfnServer server = await FfnServer.StartAsync(services => services
            .AddNativeFfn(static options => FfnServer.Defaults(options))
            .AddSingleton<IHostedService>(late));
        late.Server = server;
        await server.StopAsync();
        await late.Call!.Task;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(late.Health.Status, Is.EqualTo(HealthStatus.Unhealthy));
            Assert.That(late.Health.Description, Is.EqualTo("The server is shutting down."));
        }
    }

    [Test]
    public async Task What_is_not_drained_in_time_fails_but_what_runs_finishes()
    {
        await using FfnServer server = await FfnServer.StartAsync(static options => options.DrainTimeout = TimeSpan.FromSeconds(3));
        FfnCall held = await server.HoldAsync();
        FfnCall waiting = server.Call("m/0", 1);
        Task stopped = server.StopAsync();
        while (!waiting.Task.IsCompleted)
        {
            server.Time.Advance(TimeSpan.FromSeconds(3));
            await Task.Yield();
        }

        await Assert.ThrowsAsync<FfnUnavailableException>(() => waiting.Task);
        Assert.That((held.Task.IsCompleted, stopped.IsCompleted), Is.EqualTo((false, false)));
        server.Gate.Open();
        await held.Task;
        await stopped;
        Assert.That(server.Gate.Rows, Is.Empty, "what failed was not run");
    }

    [Test]
    public async Task A_delayed_batch_does_not_delay_the_drain()
    {
        await using FfnServer server = await FfnServer.StartAsync(
            static options => options.Batching.MaxQueueDelay = TimeSpan.FromSeconds(1));
        FfnCall waiting = server.Call("m/0", 1);
        await server.StopAsync();
        await waiting.Task;
    }

    [Test]
    public async Task Disposing_without_a_stop_fails_what_waits()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall waiting = server.Call("m/0", 1);
        IFfnClient client = server.Client;
        Task disposal = server.DisposeHostAsync().AsTask();
        await Assert.ThrowsAsync<FfnUnavailableException>(() => waiting.Task);
        Assert.That((held.Task.IsCompleted, disposal.IsCompleted), Is.EqualTo((false, false)));
        server.Gate.Open();
        await held.Task;
        await disposal;
        await Assert.ThrowsAsync<FfnUnavailableException>(() => client.ForwardAsync("m/0", new float[16], new float[16]).AsTask());
    }

    [Test]
    public async Task Keyed_engines_live_beside_each_other()
    {
        (FfnSpec spec, FfnMemoryWeights weights) = FfnServer.ExactLayer(70, dModel: 8);
        await using FfnServer server = await FfnServer.StartAsync(services => services
            .AddNativeFfn(static options => FfnServer.Defaults(options))
            .AddKeyedNativeFfn("small", options => options.AddLayer("s", spec, weights)
                .ConfigureEngine(static engine => engine with { Backend = BackendKind.Managed })));
        IFfnClient small = server.Services.GetRequiredKeyedService<IFfnClient>("small");
        await new FfnCall(small, "0", 3, 1, default, default).AssertAnsweredAsync();
        await server.Call("m/1", 3).AssertAnsweredAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(small.Layers.Select(static layer => layer.Name), Is.EqualTo(new[] { "s/0" }));
            Assert.That(small.GetLayer("s/0").Engine, Is.Not.SameAs(server.Client.GetLayer("m/0").Engine));
            Assert.That((await server.HealthAsync("nativeffn-small")).Status, Is.EqualTo(HealthStatus.Healthy));
        }
    }

    [Test]
    public async Task An_answer_is_taken_once()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        ValueTask answer = server.Client.ForwardAsync("m/0", new float[16], new float[16]);
        server.Gate.Open();
        await answer;
        await held.AssertAnsweredAsync();
        Assert.That(() => answer.GetAwaiter().GetResult(), Throws.InvalidOperationException);
        await server.Call("m/0", 1).AssertAnsweredAsync();
    }

    private sealed class LateService : IHostedService
    {
        public FfnServer? Server { get; set; }

        public FfnCall? Call { get; private set; }

        public HealthReportEntry Health { get; private set; }

        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public async Task StopAsync(CancellationToken cancellationToken)
        {
            Call = Server!.Call("m/0", 1, cancellationToken: CancellationToken.None);
            Health = await Server.HealthAsync();
        }
    }
}
