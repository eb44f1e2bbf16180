using System.Collections.Immutable;
using NativeFfn.Bench.Callers;
using NativeFfn.Bench.Ceiling;
using NativeFfn.Bench.Subjects;
using NativeFfn.Cli;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Comparing;

/// <summary>Runs the comparison of one layer.</summary>
internal static class ShapeComparison
{
    private const int InputSeed = 1;

    /// <summary>Opens the subjects, measures them at every token count, and the roofline before and after each.</summary>
    /// <param name="plan">Subjects, token counts and time.</param>
    /// <param name="spec">The layer.</param>
    /// <param name="progress">Told what goes on.</param>
    /// <exception cref="WrongResultException">A subject's answer is wrong.</exception>
    public static ShapeReport Run(ComparisonPlan plan, FfnSpec spec, Action<string> progress)
    {
        progress($"{spec}: preparing");
        RotationLimits limits = RotationLimits.Here(plan.Resident, plan.MostEngines);
        using var weights = new LayerWeights(spec);
        using var copies = new WeightCopies(weights, limits);
        using AlignedFloats input = RandomRows.CreateAligned(plan.Tokens.Max(), spec.InputWidth, InputSeed);
        var answer = new SampledRows(spec, weights, input.Span, plan.Tokens);
        ImmutableArray<ISubject> subjects = SubjectCatalog.Open(
            plan.Subjects, new SubjectLayer(weights, copies, plan.Threads, limits), left => progress("not measured: " + left));
        try
        {
            var meter = new CeilingMeter(plan.Threads);
            var others = new OtherLoad();
            long[] rounds = [.. subjects.Select(subject => RoundBytes(subject.Description, limits))];
            List<ComparisonRow> rows = [];
            foreach (int tokens in plan.Tokens)
            {
                progress($"{spec}: {tokens} tokens");
                meter.Measure(rounds);
                Rounds.Start(subjects, input, tokens);
                double[] errors = [.. subjects.Select(subject => RequireRight(subject, spec, answer.Error(subject.Output), tokens))];
                ImmutableArray<Times> times = Rounds.Run(subjects, plan.Seconds);
                QuietProcess.Wait();
                double flops = (double)tokens * spec.FlopsPerToken;
                rows.AddRange(Compare(tokens, [.. subjects.Select((subject, i) => new Measured(
                    subject.Description, times[i], errors[i], 1e3 * meter.RooflineSeconds(rounds[i], subject.BytesRead, flops)))]));
            }

            meter.Measure(rounds);
            return new ShapeReport(
                spec.Kind.Name,
                spec.DModel,
                spec.DFf,
                spec.Mixture?.Experts ?? 0,
                spec.Mixture?.TopK ?? 0,
                plan.Threads,
                others.Share(),
                limits.CacheBytes,
                meter.FlopsPerSecond / 1e9,
                new OrderedDictionary<string, double>(subjects.Zip(rounds)
                    .DistinctBy(static pair => pair.First.Description.Precision)
                    .Select(pair => KeyValuePair.Create(
                        Names<FfnPrecision>.Of(pair.First.Description.Precision), meter.BytesPerSecond(pair.Second) / 1e9))),
                [.. subjects.Select(static subject => RowOf(subject.Description))],
                [.. rows],
                View(plan, subjects, left => progress($"{spec}: {left}")));
        }
        finally
        {
            foreach (ISubject subject in subjects)
            {
                subject.Dispose();
            }
        }
    }

    // All that come from memory come at its one rate.
    private static long RoundBytes(SubjectDescription subject, RotationLimits limits) =>
        subject.Rotation.IsPastCache ? limits.RoundBytes : subject.WeightBytes * subject.Rotation.Copies;

    private static double RequireRight(ISubject subject, FfnSpec spec, double error, int tokens)
    {
        SubjectDescription description = subject.Description;
        double tolerance = Cli.Verification.Comparison.ToleranceOf(spec, description.Precision, description.QuantizationError);
        return error <= tolerance
            ? error
            : throw new WrongResultException(
                $"{description.Name} is wrong at {tokens} tokens: its relative L2 error is {error:0.0e+0}, and "
                + $"{Names<FfnPrecision>.Of(description.Precision)} explains {tolerance:0.0e+0}. Leave it out with --subjects or correct it.");
    }

    private static IEnumerable<ComparisonRow> Compare(int tokens, Measured[] all)
    {
        Measured? bestPeer = all.Where(static one => one.Subject.Backend is null).MinBy(static one => one.Times.MedianMs);
        Measured? onnx = all.FirstOrDefault(static one => one.Subject.Name == OnnxSubject.Name);
        foreach (Measured one in all)
        {
            (bool ours, double median) = (one.Subject.Backend is not null, one.Times.MedianMs);
            Measured? full = ours && one.Subject.Precision != FfnPrecision.Float32
                ? all.FirstOrDefault(other => other.Subject.Backend == one.Subject.Backend && other.Subject.Precision == FfnPrecision.Float32)
                : null;
            yield return new ComparisonRow(
                tokens,
                one.Subject.Name,
                median,
                one.Times.MinMs,
                one.Times.Runs,
                one.Times.Disturbed,
                one.RelativeL2,
                one.RooflineMs,
                median / one.RooflineMs,
                ours ? bestPeer?.Subject.Name : null,
                ours ? median / bestPeer?.Times.MedianMs : null,
                ours ? median / onnx?.Times.MedianMs : null,
                median / full?.Times.MedianMs);
        }
    }

    private static SubjectRow RowOf(SubjectDescription subject) => new(
        subject.Name,
        subject.Backend is not null,
        Names<FfnPrecision>.Of(subject.Precision),
        subject.WeightBytes,
        subject.Rotation.Copies,
        subject.Rotation.IsPastCache,
        subject.QuantizationError,
        subject.Version);

    private static ServerView? View(ComparisonPlan plan, ImmutableArray<ISubject> subjects, Action<string> progress)
    {
        ImmutableArray<EngineSubject> ours = [.. subjects.OfType<EngineSubject>()];
        if (plan.Callers == 0 || ours.IsEmpty)
        {
            return null;
        }

        progress($"{plan.Callers} callers at a time");
        return CallerRounds.Run(ours, plan);
    }

    private sealed record Measured(SubjectDescription Subject, Times Times, double RelativeL2, double RooflineMs);
}
