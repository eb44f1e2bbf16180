using System.Collections.Immutable;
using NativeFfn.Bench.Comparing;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Callers;

/// <summary>
/// Measures callers at a time on engines with one thread beside one caller on engines with all threads, window by window in turns, so that
/// the noise of a shared machine falls on all of them alike.
/// </summary>
internal static class CallerRounds
{
    // An odd number, so that the median is one of them.
    private const int Windows = 7;

    // A request alone, a few and a batch.
    private static readonly ImmutableArray<int> TokenCounts = [1, 4, 16];

    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(1);

    /// <summary>Measures subjects at every token count, and what they take beside their answers.</summary>
    /// <param name="subjects">NativeFfn with all threads; one at least.</param>
    /// <param name="plan">How many callers, and the time for each token count.</param>
    public static ServerView Run(ImmutableArray<EngineSubject> subjects, ComparisonPlan plan)
    {
        List<EngineSubject> singles = [];
        try
        {
            foreach (EngineSubject subject in subjects)
            {
                singles.Add(subject.WithThreads(1));
            }

            var others = new OtherLoad();
            ImmutableArray<CallerRate> rates = [.. TokenCounts.SelectMany(tokens => Measure(subjects, singles, tokens, plan))];
            return new ServerView(plan.Callers, others.Share(), rates, [.. subjects.Select(MeasureRest)]);
        }
        finally
        {
            singles.ForEach(static single => single.Dispose());
        }
    }

    private static IEnumerable<CallerRate> Measure(
        ImmutableArray<EngineSubject> subjects, List<EngineSubject> singles, int tokens, ComparisonPlan plan)
    {
        CallerWindow[] many = [.. singles.Select(single => new CallerWindow(single.Layers, plan.Callers, tokens))];
        CallerWindow[] one = [.. subjects.Select(subject => new CallerWindow(subject.Layers, 1, tokens))];
        try
        {
            CallerWindow[] turns = [.. many, .. one];
            double[][] rates = [.. turns.Select(static _ => new double[Windows])];
            TimeSpan length = TimeSpan.FromSeconds(plan.Seconds / (Windows * turns.Length));
            for (int window = 0; window < Windows; window++)
            {
                for (int turn = 0; turn < turns.Length; turn++)
                {
                    int index = (window + turn) % turns.Length;
                    QuietProcess.Wait();
                    rates[index][window] = turns[index].TokensPerSecond(length);
                }
            }

            return [.. subjects.Select((subject, index) =>
                new CallerRate(
                    tokens, subject.Description.Name, Times.Median(rates[index]), Times.Median(rates[many.Length + index])))];
        }
        finally
        {
            Array.ForEach([.. many, .. one], static window => window.Dispose());
        }
    }

    // Every copy of the layer has its scratch memory.
    private static void Repeat(Action action, int times)
    {
        for (int i = 0; i < times; i++)
        {
            action();
        }
    }

    private static RestRow MeasureRest(EngineSubject subject)
    {
        using var caller = new CallerWindow(subject.Layers, 1, TokenCounts[^1]);
        Repeat(caller.Forward, subject.Layers.Count);
        long allocated = AllocationMeter.BytesPerCall(caller.Forward);
        QuietProcess.Wait();
        caller.Forward();
        TimeSpan before = Environment.CpuUsage.TotalTime;
        Thread.Sleep(IdleTime);
        return new RestRow(subject.Description.Name, (Environment.CpuUsage.TotalTime - before).TotalMilliseconds, allocated);
    }
}
