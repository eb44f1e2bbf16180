using System.Collections.Immutable;
using System.Diagnostics;
using NativeFfn.Comparison.Subjects;

namespace NativeFfn.Comparison.Measuring;

/// <summary>One subject at one token count.</summary>
/// <param name="Subject">What was measured.</param>
/// <param name="MedianMs">Median time of one forward, in milliseconds.</param>
/// <param name="MinMs">Shortest time of one forward, in milliseconds.</param>
/// <param name="Runs">Forwards that the median is of.</param>
/// <param name="Disturbed">Whether other processes were busy and left too few forwards alone to leave the others out.</param>
/// <param name="RelativeError">Relative L2 error against float64 of what the layer adds to its residual.</param>
internal sealed record Measured(SubjectDescription Subject, double MedianMs, double MinMs, int Runs, bool Disturbed, double RelativeError);

/// <summary>A subject computes something else than the layer.</summary>
internal sealed class WrongResultException(string message) : Exception(message);

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

    /// <summary>Measures at one token count.</summary>
    /// <param name="subjects">The subjects.</param>
    /// <param name="input">x, row-major, with at least as many rows.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="reference">The right answer.</param>
    /// <param name="seconds">Time for all subjects together; the fewest rounds are run in any case.</param>
    /// <exception cref="WrongResultException">A subject's answer is wrong.</exception>
    public static ImmutableArray<Measured> Run(
        ImmutableArray<ISubject> subjects, AlignedFloats input, int tokens, Float64Reference reference, double seconds)
    {
        double[] errors = [.. subjects.Select(subject => Prepare(subject, input, tokens, reference))];
        List<Turn>[] turns = [.. subjects.Select(static _ => new List<Turn>())];
        var others = new OtherLoad();
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < MaximumRounds && NeedsMore(turns, Stopwatch.GetElapsedTime(start).TotalSeconds / seconds, others); round++)
        {
            for (int turn = 0; turn < subjects.Length; turn++)
            {
                int index = (round + turn) % subjects.Length;
                turns[index].Add(Measure(subjects[index]));
            }
        }

        bool busy = others.Share() > BusyShare;
        return [.. subjects.Select((subject, index) => Summarize(subject.Description, turns[index], busy, errors[index]))];
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

    private static double Prepare(ISubject subject, AlignedFloats input, int tokens, Float64Reference reference)
    {
        subject.Start(input, tokens);
        for (int run = 0; run < WarmUpRuns; run++)
        {
            subject.Forward();
        }

        SubjectDescription description = subject.Description;
        double error = reference.RelativeError(subject.Output, tokens);
        return error <= description.Precision.Tolerance
            ? error
            : throw new WrongResultException(
                $"{description.Name} is wrong at {tokens} tokens: its relative L2 error is {error:0.0e+0}, and {description.Precision.Name} "
                + $"explains {description.Precision.Tolerance:0e+0}. Leave it out with --subjects or correct it.");
    }

    // A run that does not count wakes the subject's threads and brings back what others drove out of the caches, as in a server under load.
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

    private static Measured Summarize(SubjectDescription subject, List<Turn> turns, bool busy, double error)
    {
        int clean = turns.Count(static turn => turn.Clean);
        bool onlyClean = busy && clean >= MinimumRounds;
        double[] milliseconds = [.. turns.Where(turn => turn.Clean || !onlyClean).Select(static turn => turn.Milliseconds).Order()];
        int middle = milliseconds.Length / 2;
        double median = milliseconds.Length % 2 == 1 ? milliseconds[middle] : (milliseconds[middle - 1] + milliseconds[middle]) / 2;
        return new Measured(subject, median, milliseconds[0], milliseconds.Length, busy && !onlyClean, error);
    }

    // One forward's time, and whether its threads had the processors that they asked for.
    private readonly record struct Turn(double Milliseconds, bool Clean);
}
