using System.Collections.Immutable;
using System.Diagnostics;
using NativeFfn.Comparison.Subjects;

namespace NativeFfn.Comparison.Measuring;

/// <summary>One subject at one token count.</summary>
/// <param name="Subject">What was measured.</param>
/// <param name="MedianMs">Median time of one forward, in milliseconds.</param>
/// <param name="MinMs">Shortest time of one forward, in milliseconds.</param>
/// <param name="Runs">Forwards measured.</param>
/// <param name="RelativeError">Relative L2 error against float64 of what the layer adds to its residual.</param>
internal sealed record Measured(SubjectDescription Subject, double MedianMs, double MinMs, int Runs, double RelativeError);

/// <summary>A subject computes something else than the layer.</summary>
internal sealed class WrongResultException(string message) : Exception(message);

/// <summary>
/// Measures subjects in turns, one forward each, in an order that rotates from round to round, so that the noise of a shared machine falls
/// on all of them alike.
/// </summary>
internal static class Rounds
{
    private const int MinimumRounds = 5;

    // A bound on the memory of the times.
    private const int MaximumRounds = 100_000;

    private const int WarmUpRuns = 3;

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
        List<double>[] milliseconds = [.. subjects.Select(static _ => new List<double>())];
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < MinimumRounds || (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds && round < MaximumRounds); round++)
        {
            for (int turn = 0; turn < subjects.Length; turn++)
            {
                int index = (round + turn) % subjects.Length;
                milliseconds[index].Add(Measure(subjects[index]).TotalMilliseconds);
            }
        }

        return [.. subjects.Select((subject, index) => Summarize(subject.Description, milliseconds[index], errors[index]))];
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
    private static TimeSpan Measure(ISubject subject)
    {
        QuietProcess.Wait();
        TimeSpan first = Time(subject);
        return first < LongForward ? Time(subject) : first;
    }

    private static TimeSpan Time(ISubject subject)
    {
        long start = Stopwatch.GetTimestamp();
        subject.Forward();
        return Stopwatch.GetElapsedTime(start);
    }

    private static Measured Summarize(SubjectDescription subject, List<double> milliseconds, double error)
    {
        milliseconds.Sort();
        int middle = milliseconds.Count / 2;
        double median = milliseconds.Count % 2 == 1 ? milliseconds[middle] : (milliseconds[middle - 1] + milliseconds[middle]) / 2;
        return new Measured(subject, median, milliseconds[0], milliseconds.Count, error);
    }
}
