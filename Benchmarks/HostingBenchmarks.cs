using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using NativeFfn.Hosting;

namespace NativeFfn.Benchmarks;

/// <summary>What the way through the queue adds to a forward: a layer small enough for it to show, asked by one client and by many.</summary>
[InProcess]
[MemoryDiagnoser]
public class HostingBenchmarks
{
    private const int Clients = 64;

    private IHost _host = null!;
    private IFfnClient _client = null!;
    private FfnLayer _layer = null!;
    private float[] _input = [];
    private float[][] _outputs = [];

    [GlobalSetup]
    public void Open()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 64, 176);
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddNativeFfn(options => options.AddLayer("small", spec, new XavierWeights(spec, seed: 1))
            .ConfigureEngine(static engine => engine with { Backend = BackendKind.Managed }));
        _host = builder.Build();
        _host.Start();
        _client = _host.Services.GetRequiredService<IFfnClient>();
        _layer = _client.GetLayer("small/0");
        _input = RandomRows.Create(spec.InputWidth);
        _outputs = [.. Enumerable.Range(0, Clients).Select(_ => new float[spec.OutputWidth])];
    }

    [GlobalCleanup]
    public void Close() => _host.Dispose();

    [Benchmark(Baseline = true)]
    public void Direct() => _layer.Forward(_input, _outputs[0]);

    [Benchmark]
    public async Task Queued() => await _client.ForwardAsync("small/0", _input, _outputs[0], CancellationToken.None);

    /// <summary>One request of each of many clients that wait together; the time is that of all, and the bytes are those of their tasks.</summary>
    [Benchmark]
    public Task QueuedTogether() => Task.WhenAll(
        _outputs.Select(output => _client.ForwardAsync("small/0", _input, output, CancellationToken.None).AsTask()));
}
