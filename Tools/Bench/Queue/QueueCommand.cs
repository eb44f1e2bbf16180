using System.CommandLine;
using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using NativeFfn.Bench.Reporting;
using NativeFfn.Cli;
using NativeFfn.Cli.Benchmarking;
using NativeFfn.Cli.Options;
using NativeFfn.Hosting;
using Spectre.Console;

namespace NativeFfn.Bench.Queue;

/// <summary><c>queue</c>: the cost of the way through a server's queue, on a layer small enough for it to show.</summary>
internal static class QueueCommand
{
    private const string Layer = "small/0";
    private const int InputSeed = 1;
    private const int DefaultClients = 64;
    private const int MaxClients = 1024;
    private const double DefaultSeconds = 3;

    // A call takes some microseconds, a look at the clock a part of one.
    private const int CallsPerRun = 64;

    // For the first growth of every buffer, and for the compiler.
    private const int WarmUpCalls = 2000;

    public static Command Create(TextWriter stdout)
    {
        Option<int> clients = OptionFactory.Integer("--clients", "N", "Clients that ask together.", 1, MaxClients, DefaultClients);
        Option<double> seconds = BenchOptions.Seconds("Time for direct and queued calls together.", DefaultSeconds);
        var command = new Command("queue", "A small layer called directly, through the queue of a server, and by many clients together.") { clients, seconds };
        command.SetAction(parsed => Run(parsed.GetValue(clients), parsed.GetValue(seconds), stdout));
        return command;
    }

    private static void Run(int clients, double seconds, TextWriter stdout)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 64, 176);
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddNativeFfn(options => options
            .AddLayer("small", spec, new XavierWeights(spec, seed: 1))
            .ConfigureEngine(static engine => engine with { Backend = BackendKind.Managed }));
        using IHost host = builder.Build();
        host.Start();
        IFfnClient client = host.Services.GetRequiredService<IFfnClient>();
        FfnLayer layer = client.GetLayer(Layer);
        float[] input = RandomRows.Create(1, spec.InputWidth, InputSeed);
        float[][] outputs = [.. Enumerable.Range(0, clients).Select(_ => new float[spec.OutputWidth])];
        (string Name, Action Call)[] subjects =
        [
            ("direct", () => layer.Forward(input, outputs[0])),
            ("queued", () => Ask(outputs[0]).GetAwaiter().GetResult()),
            ($"{clients} clients together", () => Task.WhenAll(outputs.Select(Ask)).GetAwaiter().GetResult()),
        ];
        List<double>[] milliseconds = Measure([.. subjects.Select(static subject => subject.Call)], seconds);
        Table table = Markdown.Table("subject", "median us", "min us", "bytes/call", "runs");
        foreach (((string name, Action call), List<double> times) in subjects.Zip(milliseconds))
        {
            Times summary = Times.Of(times);
            table.AddRow(name, $"{1e3 * summary.MedianMs:0.00}", $"{1e3 * summary.MinMs:0.00}", $"{AllocationMeter.BytesPerCall(call)}", $"{summary.Runs}");
        }

        stdout.WriteLine($"{spec}, one row a call; microseconds of a call, and of all calls of clients together with the bytes of their tasks:");
        stdout.WriteLine();
        stdout.WriteLine(Markdown.Of(table));

        Task Ask(float[] output) => client.ForwardAsync(Layer, input, output, CancellationToken.None).AsTask();
    }

    private static List<double>[] Measure(Action[] calls, double seconds)
    {
        Array.ForEach(calls, static call => Time(call, WarmUpCalls));
        List<double>[] milliseconds = [.. calls.Select(static _ => new List<double>())];
        long start = Stopwatch.GetTimestamp();
        do
        {
            for (int i = 0; i < calls.Length; i++)
            {
                milliseconds[i].Add(Time(calls[i], CallsPerRun));
            }
        }
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds);
        return milliseconds;
    }

    // Of one call.
    private static double Time(Action call, int calls)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < calls; i++)
        {
            call();
        }

        return Stopwatch.GetElapsedTime(start).TotalMilliseconds / calls;
    }
}
