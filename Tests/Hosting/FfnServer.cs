using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;
using NativeFfn.Hosting;
using NativeFfn.Hosting.Serving;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Hosting;

/// <summary>A host with one engine that runs one forward at a time, whose clock stands still and which can be held up.</summary>
internal sealed class FfnServer : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly IHost _host;

    private FfnServer(IHost host, FakeTimeProvider time)
    {
        _host = host;
        Time = time;
    }

    public FakeTimeProvider Time { get; }

    public ForwardGate Gate { get; } = new();

    public IServiceProvider Services => _host.Services;

    public IFfnClient Client => _host.Services.GetRequiredService<IFfnClient>();

    public FfnRuntime Runtime => _host.Services.GetRequiredService<FfnRuntime>();

    /// <summary>A layer whose answers are whole numbers below 2²⁴, and so the same bits in any order of summation.</summary>
    public static (FfnSpec Spec, FfnMemoryWeights Weights) ExactLayer(int seed, int dModel = 16, int dFf = 40)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.ReGlu, dModel, dFf);
        return (spec, RandomLayers.Integers(spec, seed, 3));
    }

    public static FfnServer Create(Action<IServiceCollection> add)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        var time = new FakeTimeProvider();
        builder.Services.AddSingleton<TimeProvider>(time);
        add(builder.Services);
        return new FfnServer(builder.Build(), time);
    }

    /// <summary>A started server on the managed backend with the exact layers <c>m/0</c> and <c>m/1</c>.</summary>
    public static Task<FfnServer> StartAsync(Action<NativeFfnOptions>? configure = null, BackendKind backend = BackendKind.Managed) =>
        StartAsync(services => services.AddNativeFfn(options =>
        {
            Defaults(options, backend);
            configure?.Invoke(options);
        }));

    public static async Task<FfnServer> StartAsync(Action<IServiceCollection> add)
    {
        FfnServer server = Create(add);
        await server._host.StartAsync();
        server.Runtime.Open!.Execution.Forward = server.Gate.Forward;
        return server;
    }

    public static void Defaults(NativeFfnOptions options, BackendKind backend = BackendKind.Managed)
    {
        options.ConfigureEngine(engine => engine with
        {
            Backend = backend,
            Kernel = backend == BackendKind.Mkl ? CpuKernel.Sgemm : CpuKernel.Auto,
            Threads = 2,
        });
        options.Batching.MaxBatchTokens = 8;
        options.Batching.QueueCapacityTokens = 64;
        options.Batching.MaxConcurrentBatches = 1;
        options.Warmup.Enabled = false;
        for (int i = 0; i < 2; i++)
        {
            (FfnSpec spec, FfnMemoryWeights weights) = ExactLayer(40 + i);
            options.AddLayer("m", spec, weights);
        }
    }

    public static IConfigurationSection Section(params (string Key, string? Value)[] values) => new ConfigurationBuilder()
        .AddInMemoryCollection(values.Select(static pair => KeyValuePair.Create("NativeFfn:" + pair.Key, pair.Value)))
        .Build().GetSection("NativeFfn");

    /// <summary>Sends random whole numbers and says whether the answer is the layer's own.</summary>
    public FfnCall Call(
        string layer, int tokens, int seed = 1, FfnMode mode = FfnMode.Ffn, TimeSpan? deadline = null,
        FfnPriority priority = FfnPriority.Normal, bool apart = false, CancellationToken cancellationToken = default) =>
        new(Client, layer, tokens, seed, new FfnRequestOptions(mode, deadline, priority), cancellationToken, apart);

    /// <summary>Holds the engine inside a forward of one token, so that what is called next waits.</summary>
    public async Task<FfnCall> HoldAsync()
    {
        while (Gate.ForwardsStarted.Wait(0))
        {
            // Forwards of before.
        }

        Gate.Close();
        FfnCall held = Call("m/0", 1, apart: true);
        await Gate.ForwardsStarted.WaitAsync();
        Gate.Forwards.Clear();
        return held;
    }

    /// <summary>Waits until the runner has seen everything so far, set its timer where it needs one, and gone to sleep.</summary>
    public async Task RunnerSleepsAsync()
    {
        while (!Runtime.Open!.Queue.RunnersSleep)
        {
            await Task.Yield();
        }
    }

    public async Task<HealthReportEntry> HealthAsync(string name = "nativeffn")
    {
        HealthReport report = await Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(
            static check => check.Tags.Contains("ready"));
        return report.Entries[name];
    }

    public Task StartHostAsync() => _host.StartAsync();

    public Task StopAsync(CancellationToken cancellationToken = default) => _host.StopAsync(cancellationToken);

    public ValueTask DisposeHostAsync() => ((IAsyncDisposable)_host).DisposeAsync();

    public async ValueTask DisposeAsync()
    {
        // A queue that does not end fails the test that left it, and does not hang.
        Gate.Open();
        await DisposeHostAsync().AsTask().WaitAsync(Patience);
    }
}
