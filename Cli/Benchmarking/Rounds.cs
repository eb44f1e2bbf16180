using System.Collections.Immutable;
using System.Diagnostics;

namespace NativeFfn.Cli.Benchmarking;

/// <summary>
/// Measures subjects in turns, one forward each, in an order that rotates from round to round, so that the noise of a shared machine falls
/// on all of them alike.
/// </summary>
/// <remarks>
/// Where other processes are busy, a turn in which threads had to wait for a processor is left out of the median, as long as the subject
/// keeps enough turns; where they are not, waiting is the subject's own doing and counts.
/// </remarks>
internal static class Rounds
{
    // The fewest turns that a median is taken of.
    private const int MinimumRounds = 5;

    // A bound on the memory of the times.
    private const int MaximumRounds = 100_000;

    private const int WarmUpRuns = 3;

    // What other processes may take of the processors before turns are told apart.
    private const double BusyShare = 0.05;

    // What a turn's threads may wait for a processor, as a part of its time.
    private const double CleanDelayShare = 0.03;

    // How many times as long to go on where others leave too few clean turns.
    private const double Patience = 3;

    // A forward this long hides the microseconds in which threads wake up.
    private static readonly TimeSpan LongForward = TimeSpan.FromMilliseconds(50);

    /// <summary>Gives subjects rows, and runs each until every copy of its weights has scratch memory and code is compiled.</summary>
    /// <param name="subjects">The subjects.</param>
    /// <param name="input">x, row-major, with at least as many rows; it must outlive the measurement.</param>
    /// <param name="tokens">Rows.</param>
    public static void Start(IEnumerable<ISubject> subjects, AlignedFloats input, int tokens)
    {
        foreach (ISubject subject in subjects)
        {
            subject.Start(input, tokens);
            for (int run = 0; run < Math.Max(WarmUpRuns, subject.Description.Rotation.Copies); run++)
            {
                subject.Forward();
            }
        }
    }

    /// <summary>Measures subjects on the rows that they were given.</summary>
    /// <param name="subjects">The subjects.</param>
    /// <param name="seconds">Time for all subjects together; the fewest rounds are run in any case.</param>
    /// <returns>Their times, in the same order.</returns>
    public static ImmutableArray<Times> Run(IReadOnlyList<ISubject> subjects, double seconds)
    {
        List<Turn>[] turns = [.. subjects.Select(static _ => new List<Turn>())];
        var others = new OtherLoad();
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < MaximumRounds && NeedsMore(turns, Stopwatch.GetElapsedTime(start).TotalSeconds / seconds, others); round++)
        {
            for (int turn = 0; turn < subjects.Count; turn++)
            {
                int index = (round + turn) % subjects.Count;
                turns[index].Add(Measure(subjects[index]));
            }
        }

        bool busy = others.Share() > BusyShare;
        return [.. turns.Select(list => Summarize(list, busy))];
    }

    private static bool NeedsMore(List<Turn>[] turns, double partOfTime, OtherLoad others) =>
        turns[0].Count < MinimumRounds
        || partOfTime < 1
        || (partOfTime < Patience && MayGetCleaner(turns) && others.Share() > BusyShare);

    // A library whose threads yield while they wait never has a clean turn; nobody waits for it.
    private static bool MayGetCleaner(List<Turn>[] turns)
    {
        int[] clean = [.. turns.Select(static list => list.Count(static turn => turn.Clean))];
        return clean.Any(static count => count is > 0 and < MinimumRounds) || clean.All(static count => count == 0);
    }

    // A run that does not count wakes the subject's threads, as in a server under load. It takes a copy of the weights of its own.
    private static Turn Measure(ISubject subject)
    {
        QuietProcess.Wait();
        TimeSpan delayBefore = SchedulerDelay.Read();
        long start = Stopwatch.GetTimestamp();
        TimeSpan forward = Time(subject);
        if (forward < LongForward)
        {
            forward = Time(subject);
        }

        TimeSpan spent = Stopwatch.GetElapsedTime(start);
        return new Turn(forward.TotalMilliseconds, SchedulerDelay.Read() - delayBefore < CleanDelayShare * spent);
    }

    private static TimeSpan Time(ISubject subject)
    {
        long start = Stopwatch.GetTimestamp();
        subject.Forward();
        return Stopwatch.GetElapsedTime(start);
    }

    private static Times Summarize(List<Turn> turns, bool busy)
    {
        bool onlyClean = busy && turns.Count(static turn => turn.Clean) >= MinimumRounds;
        double[] milliseconds = [.. turns.Where(turn => turn.Clean || !onlyClean).Select(static turn => turn.Milliseconds)];
        return Times.Of(milliseconds) with { Disturbed = busy && !onlyClean };
    }

    // One forward's time, and whether its threads had the processors that they asked for.
    private readonly record struct Turn(double Milliseconds, bool Clean);
}
