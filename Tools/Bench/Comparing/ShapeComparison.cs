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
        using var pinning = new ProcessorPinning(plan.Unpinned ? 0 : plan.Threads);
        ImmutableArray<ISubject> subjects = SubjectCatalog.Open(
            plan.Subjects,
            new SubjectLayer(weights, copies, plan.Threads, limits, pinning.Watch),
            left => progress("not measured: " + left));
        try
        {
            using var meter = new CeilingMeter(plan.Threads, subjects.Select(static subject => subject.Description.Precision));
            var others = new OtherLoad();
            long[] rounds = [.. subjects.Select(subject => RoundBytes(subject.Description, limits))];
            List<ComparisonRow> rows = [];
            foreach (int tokens in plan.Tokens)
            {
                progress($"{spec}: {tokens} tokens");
                meter.Measure(rounds);
                double[] errors;
                ImmutableArray<Times> times;
                using (pinning.KeepCaller())
                {
                    errors = [.. subjects.Select(
                        subject => RequireRight(subject, spec, Start(subject, input, tokens, answer, pinning), tokens))];
                    times = Rounds.Run(subjects, plan.Seconds);
                }

                QuietProcess.Wait();
                double flops = (double)tokens * spec.FlopsPerToken;
                rows.AddRange(ComparisonRows.Of(tokens, [.. subjects.Select((subject, i) => new Measured(
                    subject.Description, times[i], errors[i], 1e3 * meter.RooflineSeconds(subject.Description.Precision, rounds[i], subject.BytesRead, flops)))]));
            }

            meter.Measure(rounds);

            // A server's callers run where the system puts them.
            pinning.Dispose();
            return new ShapeReport(
                spec.Kind.Name,
                spec.DModel,
                spec.DFf,
                spec.Mixture?.Experts ?? 0,
                spec.Mixture?.TopK ?? 0,
                plan.Threads,
                pinning.Processors,
                others.Share(),
                limits.CacheBytes,
                [.. subjects.Zip(rounds)
                    .DistinctBy(static pair => pair.First.Description.Precision)
                    .Select(pair => RowOf(pair.First.Description.Precision, pair.Second, meter))],
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

    private static double Start(ISubject subject, AlignedFloats input, int tokens, SampledRows answer, ProcessorPinning pinning) =>
        pinning.Watch(() =>
        {
            Rounds.Start([subject], input, tokens);
            return answer.Error(subject.Output);
        });

    // All that come from memory come at its one rate.
    private static long RoundBytes(SubjectDescription subject, RotationLimits limits) =>
        subject.Rotation.IsPastCache ? limits.RoundBytes : subject.WeightBytes * subject.Rotation.Copies;

    private static double RequireRight(ISubject subject, FfnSpec spec, double error, int tokens)
    {
        SubjectDescription description = subject.Description;
        double tolerance = Cli.Verification.Comparison.ToleranceOf(
            spec, description.Precision, description.QuantizationError + description.ActivationError);
        return error <= tolerance
            ? error
            : throw new WrongResultException(
                $"{description.Name} is wrong at {tokens} tokens: its relative L2 error is {error:0.0e+0}, and "
                + $"{Names<FfnPrecision>.Of(description.Precision)} explains {tolerance:0.0e+0}. Leave it out with --subjects or correct it.");
    }

    private static CeilingRow RowOf(FfnPrecision precision, long roundBytes, CeilingMeter meter) => new(
        Names<FfnPrecision>.Of(precision),
        CeilingMeter.InstructionOf(precision),
        meter.BytesPerSecond(roundBytes) / 1e9,
        meter.OperationsPerSecond(precision) / 1e9);

    private static SubjectRow RowOf(SubjectDescription subject) => new(
        subject.Name,
        subject.Backend is not null,
        Names<FfnPrecision>.Of(subject.Precision),
        SubjectCatalog.BitsOf(Names<FfnPrecision>.Of(subject.Precision)),
        subject.OnlyBeside,
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
}
