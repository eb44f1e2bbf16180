using System.Collections.Immutable;

namespace NativeFfn.Cli.Benchmarking;

/// <summary>What <c>bench</c> measures.</summary>
/// <param name="Spec">The layer.</param>
/// <param name="Tokens">Token counts, measured one after the other.</param>
/// <param name="Backends">The backends; empty for every one that is available.</param>
/// <param name="Engines">Precision, threads and library paths of what runs on each backend, one at least; their own backend is ignored.</param>
/// <param name="Seconds">Time for each backend in each precision at each token count.</param>
internal sealed record BenchPlan(
    FfnSpec Spec, ImmutableArray<int> Tokens, ImmutableArray<BackendKind> Backends, ImmutableArray<FfnEngineOptions> Engines, double Seconds);

/// <summary>Measures backends and precisions in turns, one forward each, so that the noise of a shared machine falls on all of them alike.</summary>
internal static class BenchRunner
{
    private const int MinimumRuns = 5;

    // A bound on the memory of the times.
    private const int MaximumRuns = 1_000_000;

    private const int WarmUpRuns = 3;
    private const int InputSeed = 1;
    private const ulong WeightSeed = 1;

    /// <summary>Runs the plan.</summary>
    /// <param name="plan">What to measure.</param>
    /// <param name="progress">Told before each token count.</param>
    /// <param name="skipped">Told which backends are left out, and why.</param>
    public static ImmutableArray<BenchRow> Run(BenchPlan plan, Action<string> progress, Action<string> skipped)
    {
        List<BenchSubject> subjects = [];
        try
        {
            progress($"preparing {plan.Spec}");
            OpenSubjects(plan, subjects, skipped);
            var rows = ImmutableArray.CreateBuilder<BenchRow>();
            foreach (int tokens in plan.Tokens)
            {
                progress($"measuring {string.Join(", ", subjects.Select(static subject => subject.Name))} at {tokens} tokens");
                rows.AddRange(Measure(subjects, plan, tokens));
            }

            return rows.ToImmutable();
        }
        finally
        {
            foreach (BenchSubject subject in subjects)
            {
                subject.Dispose();
            }
        }
    }

    private static void OpenSubjects(BenchPlan plan, List<BenchSubject> subjects, Action<string> skipped)
    {
        var weights = new XavierWeights(plan.Spec, WeightSeed);
        foreach (BackendKind backend in plan.Backends)
        {
            OpenEach(plan, backend, weights, subjects);
        }

        if (plan.Backends.Length > 0)
        {
            return;
        }

        foreach (BackendCandidate candidate in FfnEngine.Probe(plan.Engines[0]).Where(static candidate => candidate.IsAutomatic))
        {
            if (candidate.Reason is { } reason)
            {
                skipped($"{Names<BackendKind>.Of(candidate.Kind)}: {EngineReport.InShort(reason)}");
                continue;
            }

            try
            {
                OpenEach(plan, candidate.Kind, weights, subjects);
            }
            catch (NotSupportedException unsupported)
            {
                skipped(unsupported.Message);
            }
        }
    }

    private static void OpenEach(BenchPlan plan, BackendKind backend, XavierWeights weights, List<BenchSubject> subjects)
    {
        foreach (FfnEngineOptions engine in plan.Engines)
        {
            subjects.Add(BenchSubject.Open(plan.Spec, weights, engine with { Backend = backend }));
        }
    }

    private static IEnumerable<BenchRow> Measure(List<BenchSubject> subjects, BenchPlan plan, int tokens)
    {
        float[] input = RandomRows.Create(tokens, plan.Spec.InputWidth, InputSeed);
        foreach (BenchSubject subject in subjects)
        {
            subject.Start(input, tokens);
            subject.WarmUp(WarmUpRuns);
        }

        TimeSpan budget = TimeSpan.FromSeconds(plan.Seconds) * subjects.Count;
        TimeSpan spent = TimeSpan.Zero;
        for (int run = 0; run < MinimumRuns || (spent < budget && run < MaximumRuns); run++)
        {
            foreach (BenchSubject subject in subjects)
            {
                spent += subject.Run();
            }
        }

        foreach (BenchSubject subject in subjects)
        {
            yield return subject.Finish();
        }
    }
}
