using System.Collections.Immutable;

namespace NativeFfn.Cli.Benchmarking;

/// <summary>Layer, token counts and engines of one call of <c>bench</c>.</summary>
/// <param name="Spec">The layer.</param>
/// <param name="Tokens">Token counts, measured one after the other.</param>
/// <param name="Backends">The backends; empty for every one that is available.</param>
/// <param name="Engines">Precision, threads and library paths of what runs on each backend, one at least; their own backend is ignored.</param>
/// <param name="Seconds">Time for each backend in each precision at each token count.</param>
/// <param name="Resident">Whether one copy of the weights stays in the cache, where it fits.</param>
internal sealed record BenchPlan(
    FfnSpec Spec,
    ImmutableArray<int> Tokens,
    ImmutableArray<BackendKind> Backends,
    ImmutableArray<FfnEngineOptions> Engines,
    double Seconds,
    bool Resident)
{
    /// <summary>Whether another rank measures, and this one has a part of the layers.</summary>
    public bool Follows => JobRank.Follows(Engines[0]);
}

/// <summary>Measures backends and precisions in turns, one forward each, so that the noise of a shared machine falls on all of them alike.</summary>
internal static class BenchRunner
{
    private const int InputSeed = 1;
    private const ulong WeightSeed = 1;

    /// <summary>Runs the plan.</summary>
    /// <param name="plan">What to measure.</param>
    /// <param name="progress">Told before each token count.</param>
    /// <param name="skipped">Told which backends are left out, and why.</param>
    public static ImmutableArray<BenchRow> Run(BenchPlan plan, Action<string> progress, Action<string> skipped)
    {
        List<EngineSubject> subjects = [];
        try
        {
            progress($"preparing {plan.Spec}");
            OpenSubjects(plan, subjects, skipped);
            if (plan.Follows)
            {
                Follow(subjects);
                return [];
            }

            using AlignedFloats input = RandomRows.CreateAligned(plan.Tokens.Max(), plan.Spec.InputWidth, InputSeed);
            var rows = ImmutableArray.CreateBuilder<BenchRow>();
            foreach (int tokens in plan.Tokens)
            {
                progress($"measuring {string.Join(", ", subjects.Select(static subject => subject.Description.Name))} at {tokens} tokens");
                Rounds.Start(subjects, input, tokens);
                ImmutableArray<Times> times = Rounds.Run(subjects, plan.Seconds * subjects.Count);
                rows.AddRange(subjects.Zip(times, (subject, time) => RowOf(plan.Spec, tokens, subject, time)));
            }

            return rows.ToImmutable();
        }
        finally
        {
            subjects.ForEach(static subject => subject.Dispose());
        }
    }

    // The first that fails ends this process, and with it all ranks.
    private static void Follow(List<EngineSubject> subjects)
    {
        List<Task> followers = [.. subjects.Select(static subject => Task.Factory.StartNew(
            subject.Follow, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        while (followers.Count > 0)
        {
            Task ended = followers[Task.WaitAny([.. followers])];
            ended.GetAwaiter().GetResult();
            followers.Remove(ended);
        }
    }

    private static void OpenSubjects(BenchPlan plan, List<EngineSubject> subjects, Action<string> skipped)
    {
        if (plan.Backends.Length > 0)
        {
            OpenEach(plan, plan.Backends, subjects);
            return;
        }

        ImmutableArray<BackendCandidate> candidates = [.. FfnEngine.Probe(plan.Engines[0]).Where(static candidate => candidate.IsAutomatic)];
        foreach (BackendCandidate candidate in candidates)
        {
            if (candidate.Reason is { } reason)
            {
                skipped($"{Names<BackendKind>.Of(candidate.Kind)}: {EngineReport.InShort(reason)}");
                continue;
            }

            try
            {
                OpenEach(plan, [candidate.Kind], subjects, candidates.Count(static other => other.Reason is null));
            }
            catch (NotSupportedException unsupported)
            {
                skipped(unsupported.Message);
            }
        }
    }

    private static void OpenEach(BenchPlan plan, ImmutableArray<BackendKind> backends, List<EngineSubject> subjects, int? sharing = null)
    {
        var weights = new XavierWeights(plan.Spec, WeightSeed);

        // Ranks that count copies by their own memory would not have the same ones.
        RotationLimits limits = RotationLimits.Here(plan.Resident || plan.Engines[0].Parallel is not null, (sharing ?? backends.Length) * plan.Engines.Length);
        foreach (BackendKind backend in backends)
        {
            foreach (FfnEngineOptions engine in plan.Engines)
            {
                subjects.Add(new EngineSubject(name: null, plan.Spec, weights, engine with { Backend = backend }, limits));
            }
        }
    }

    private static BenchRow RowOf(FfnSpec spec, int tokens, EngineSubject subject, Times times)
    {
        SubjectDescription description = subject.Description;
        double bytes = subject.BytesRead + (sizeof(float) * (double)tokens * (spec.InputWidth + spec.OutputWidth));
        return new BenchRow(
            subject.Backend.Name,
            Names<FfnPrecision>.Of(description.Precision),
            spec.Kind.Name,
            spec.DModel,
            spec.DFf,
            spec.Mixture?.Experts ?? 0,
            spec.Mixture?.TopK ?? 0,
            tokens,
            times.MedianMs,
            times.MinMs,
            times.P95Ms,
            times.P99Ms,
            PerSecond((double)spec.FlopsPerToken * tokens, times.MedianMs),
            PerSecond(bytes, times.MedianMs),
            AllocationMeter.BytesPerCall(subject.Forward),
            subject.MeasureGemmShare(),
            subject.Backend.Threads,
            times.Runs,
            description.WeightBytes,
            description.Rotation.Copies,
            description.Rotation.IsPastCache,
            description.QuantizationError,
            subject.Gemms);
    }

    // In units of 10⁹.
    private static double PerSecond(double amount, double milliseconds) => amount / (milliseconds * 1e6);
}
