using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using NativeFfn.Bench.Comparing;
using NativeFfn.Bench.Reporting;
using NativeFfn.Bench.Subjects;
using NativeFfn.Cli;
using NativeFfn.Cli.Benchmarking;
using NativeFfn.Cli.Options;
using Spectre.Console;

namespace NativeFfn.Bench.Small;

/// <summary><c>small</c>: the latency of small layers beside other libraries, and of a server's client beside direct calls.</summary>
internal static class SmallCommand
{
    private const double DefaultSeconds = 60;
    private const int MaxBusy = 64;

    // An odd number, so that the median is one of them, and many: on a shared machine short windows in turns meet the same company.
    private const int Rounds = 15;

    // Windows of every subject's first calls, which compile it, grow its buffers, and let it learn.
    private const int WarmUpWindows = 8;

    // Milliseconds before a window: threads of some libraries go on spinning after a call, and take a processor from who comes next.
    private const int Pause = 20;

    private static readonly ImmutableArray<FfnSpec> Layers =
    [
        FfnSpec.Create(FfnKind.Relu, 64, 256), FfnSpec.Create(FfnKind.SwiGlu, 64, 256),
        FfnSpec.Create(FfnKind.Relu, 256, 1024), FfnSpec.Create(FfnKind.SwiGlu, 256, 1024),
    ];

    // Ours first: chosen threads, then fixed ones; behind them the peers.
    private static readonly ImmutableArray<Func<LayerWeights, ISmallSubject>> BesidePeers =
    [
        static weights => new DirectSubject(weights, 0), static weights => new DirectSubject(weights, 1),
        static weights => new DirectSubject(weights, 2), static weights => new SmallOnnxSubject(weights, 1),
        static weights => new SmallOnnxSubject(weights, 2), static weights => new TensorPrimitivesSubject(weights),
        static weights => new ClientSubject(weights, 0),
    ];

    private static readonly ImmutableArray<Func<LayerWeights, ISmallSubject>> Clients =
    [
        static weights => new DirectSubject(weights, 0), static weights => new ClientSubject(weights, 0),
        static weights => new DirectSubject(weights, 1), static weights => new ClientSubject(weights, 1),
    ];

    private static readonly ImmutableArray<int> TokenCounts = [1, 8];
    private static readonly ImmutableArray<int> CallerCounts = [1, 2, 4];
    private static readonly ImmutableArray<int> ClientCounts = [1, 2, 8, 64];

    public static Command Create(TextWriter stdout)
    {
        Option<double> seconds = BenchOptions.Seconds("Time for both tables together, about.", DefaultSeconds);
        Option<int> busy = OptionFactory.Integer("--busy", "N", "Threads that compute something else all the time.", 0, MaxBusy, 0);
        Option<bool> client = new("--client") { Description = "Only the client beside direct calls." };
        var command = new Command("small", "Latency of small layers beside other libraries, and of a server's client beside direct calls.")
        {
            seconds, busy, client,
        };
        command.SetAction(parsed => Run(parsed.GetValue(seconds), parsed.GetValue(busy), parsed.GetValue(client), stdout));
        return command;
    }

    private static void Run(double seconds, int busy, bool clientOnly, TextWriter stdout)
    {
        stdout.WriteLine(
            $"{Machine.Here()}; {busy} busy threads; microseconds from call to return, median of {Rounds} rounds in turns");
        using var others = new BusyThreads(busy);
        int cells = Layers.Length * ((clientOnly ? 0 : TokenCounts.Length * CallerCounts.Length * BesidePeers.Length) + (ClientCounts.Length * Clients.Length));
        var window = TimeSpan.FromSeconds(seconds / (cells * (Rounds + WarmUpWindows)));
        if (!clientOnly)
        {
            WriteTable(
                stdout, "beside other libraries (the number behind a name is its threads)", TokenCounts, CallerCounts, window, BesidePeers,
                [new("direct / best fixed", 0, 1..3), new("direct / best peer", 0, 3..6)]);
        }

        WriteTable(
            stdout, "a server's client beside direct calls", [1], ClientCounts, window, Clients,
            [new("client / direct", 1, 0..1), new("client, 1 / direct, 1", 3, 2..3)]);
    }

    private static void WriteTable(
        TextWriter stdout, string title, ImmutableArray<int> tokenCounts, ImmutableArray<int> callerCounts, TimeSpan window,
        ImmutableArray<Func<LayerWeights, ISmallSubject>> open, ImmutableArray<Ratio> ratios)
    {
        Table? table = null;
        foreach (FfnSpec spec in Layers)
        {
            using var weights = new LayerWeights(spec);
            ISmallSubject[] subjects = [.. open.Select(subject => subject(weights))];
            try
            {
                table ??= Markdown.Table(
                    ["subject", "tokens", "callers", .. subjects.Select(static subject => subject.Name), .. ratios.Select(static ratio => ratio.Name)]);
                foreach ((int tokens, int callers) in tokenCounts.SelectMany(tokens => callerCounts.Select(callers => (tokens, callers))))
                {
                    double[][] times = Measure(subjects, spec, tokens, callers, window);
                    table.AddRow(
                    [
                        $"{spec}", $"{tokens}", $"{callers}", .. times.Select(static rounds => Text(Times.Median(rounds))),
                        .. ratios.Select(ratio => Text(ratio.Of(times))),
                    ]);
                }
            }
            finally
            {
                Array.ForEach(subjects, static subject => subject.Dispose());
            }
        }

        stdout.WriteLine();
        stdout.WriteLine($"{title}:");
        stdout.WriteLine();
        stdout.WriteLine(Markdown.Of(table!));
    }

    private static string Text(double number) => number.ToString("0.00", CultureInfo.InvariantCulture);

    private static double[][] Measure(ISmallSubject[] subjects, FfnSpec spec, int tokens, int callers, TimeSpan window)
    {
        Action[][] calls = Array.ConvertAll(subjects, subject => Enumerable.Range(0, callers).Select(caller => subject.Caller(
            RandomRows.Create(tokens, spec.InputWidth, caller), new float[tokens * spec.OutputWidth])).ToArray());
        double[][] times = Array.ConvertAll(subjects, static _ => new double[Rounds]);
        Array.ForEach(calls, call => CallerLoops.MicrosecondsPerCall(call, WarmUpWindows * window));
        for (int round = 0; round < Rounds; round++)
        {
            for (int turn = 0; turn < subjects.Length; turn++)
            {
                int index = (round + turn) % subjects.Length;
                Thread.Sleep(Pause);
                times[index][round] = CallerLoops.MicrosecondsPerCall(calls[index], window);
            }
        }

        return times;
    }

    /// <summary>A subject over the fastest of others, round by round.</summary>
    /// <param name="Name">The column's name.</param>
    /// <param name="Subject">The subject.</param>
    /// <param name="Others">The others.</param>
    private sealed record Ratio(string Name, int Subject, Range Others)
    {
        public double Of(double[][] times)
        {
            double[] best = times[Others].MinBy(static rounds => Times.Median(rounds))!;
            return Times.Median([.. times[Subject].Zip(best, static (its, others) => its / others)]);
        }
    }

    /// <summary>Threads that compute as another process would.</summary>
    private sealed class BusyThreads : IDisposable
    {
        private volatile bool _ends;

        public BusyThreads(int count)
        {
            for (int i = 0; i < count; i++)
            {
                new Thread(Compute) { IsBackground = true, Name = "busy" }.Start();
            }
        }

        public void Dispose() => _ends = true;

        private void Compute()
        {
            while (!_ends)
            {
                Thread.SpinWait(1000);
            }
        }
    }
}
