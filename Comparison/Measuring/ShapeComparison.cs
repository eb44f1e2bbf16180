using System.Collections.Immutable;
using NativeFfn.Comparison.Callers;
using NativeFfn.Comparison.Ceiling;
using NativeFfn.Comparison.Subjects;

namespace NativeFfn.Comparison.Measuring;

/// <summary>Runs the comparison of one layer.</summary>
internal static class ShapeComparison
{
    /// <summary>Opens the subjects, measures them at every token count, and the roofline before and after each.</summary>
    /// <param name="plan">What to measure.</param>
    /// <param name="shape">The layer's widths.</param>
    /// <param name="progress">Told what goes on.</param>
    public static ShapeResult Run(ComparisonPlan plan, Cli.Options.LayerShape shape, Action<string> progress)
    {
        progress($"{shape}: preparing");
        using var weights = new LayerWeights(shape.DModel, shape.DFf);
        using AlignedFloats input = RandomRows.Create(plan.Tokens.Max(), shape.DModel);
        var reference = new Float64Reference(weights, input);
        ImmutableArray<ISubject> subjects = SubjectCatalog.Open(plan.Subjects, weights, plan.Threads, left => progress("not measured: " + left));
        try
        {
            long[] weightBytes = [weights.ByteCount, .. subjects.Select(static subject => subject.Description.WeightBytes)];
            var meter = new CeilingMeter(plan.Threads);
            var others = new OtherLoad();
            var measured = new List<(int Tokens, ImmutableArray<Measured> Times)>();
            foreach (int tokens in plan.Tokens)
            {
                progress($"{shape}: {tokens} tokens");
                meter.Measure(weightBytes);
                measured.Add((tokens, Rounds.Run(subjects, input, tokens, reference, plan.Seconds)));
                QuietProcess.Wait();
            }

            meter.Measure(weightBytes);
            return new ShapeResult(
                weights.Spec,
                plan.Threads,
                others.Share(),
                meter.FlopsPerSecond,
                [.. subjects.Select(static subject => subject.Description)
                    .DistinctBy(static subject => subject.Precision)
                    .Select(subject => (subject.Precision.Name, meter.BytesPerSecond(subject.WeightBytes)))],
                [.. measured.SelectMany(count => Compare(weights.Spec, count.Tokens, count.Times, meter))],
                View(plan, subjects, left => progress($"{shape}: {left}")));
        }
        finally
        {
            foreach (ISubject subject in subjects)
            {
                subject.Dispose();
            }
        }
    }

    private static IEnumerable<ResultRow> Compare(FfnSpec spec, int tokens, ImmutableArray<Measured> times, CeilingMeter meter)
    {
        Measured? bestPeer = times.Where(static time => !time.Subject.IsOurs).MinBy(static time => time.MedianMs);
        Measured? onnx = times.FirstOrDefault(static time => time.Subject.Name == OnnxSubject.Name);
        double flops = (double)tokens * spec.FlopsPerToken;
        return times.Select(time => new ResultRow(
            tokens, time, meter.RooflineMilliseconds(time.Subject.WeightBytes, flops), bestPeer, onnx, InF32(times, time.Subject)));
    }

    private static Measured? InF32(ImmutableArray<Measured> times, SubjectDescription subject) => subject.IsOurs && subject.Precision != Precision.F32
        ? times.FirstOrDefault(time => time.Subject.Backend == subject.Backend && time.Subject.Precision == Precision.F32)
        : null;

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
