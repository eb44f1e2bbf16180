using System.Collections.Immutable;
using System.Diagnostics;
using NativeFfn.Backends.Parallel;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Cli.Planning;

/// <summary>Measures what a rank can do: this process, or all ranks of its MPI job at once, so that what they share is shared.</summary>
internal static class CeilingsHere
{
    // A layer whose weights come from memory at one token, and whose GEMMs are at their best at many.
    private static readonly FfnSpec Layer = FfnSpec.Create(FfnKind.SwiGlu, 2048, 5632);
    private static readonly ImmutableArray<int> Tokens = [1, 256];

    // Rows of few tokens and of many, in elements, and how often they are sent.
    private const int FewElements = 2048;
    private const int ManyElements = 1 << 20;
    private const int Repeats = 50;

    /// <summary>Reads weights and multiplies as the engine does.</summary>
    /// <param name="engine">Backend, precision and threads.</param>
    /// <param name="seconds">Time for each of the two.</param>
    /// <param name="job">The ranks that measure at the same time; null for this process alone.</param>
    /// <returns>10⁹ bytes and 10⁹ operations a second, of the average rank.</returns>
    public static (double GbPerSec, double Gflops) Compute(FfnEngineOptions engine, double seconds, ICollective? job)
    {
        job?.Barrier();
        ImmutableArray<BenchRow> rows = BenchRunner.Run(
            new BenchPlan(Layer, Tokens, [engine.Backend], [engine with { Parallel = null }], seconds, Resident: false),
            static _ => { },
            static _ => { });
        float[] found = [(float)rows[0].GbPerSec, (float)rows[^1].Gflops];
        job?.AllReduce(found);
        int ranks = job?.Ranks ?? 1;
        return (found[0] / ranks, found[1] / ranks);
    }

    /// <summary>Adds up rows of few and of many tokens.</summary>
    /// <param name="job">The ranks; 2 or more.</param>
    /// <returns>10⁹ bytes a second and microseconds, by which <see cref="PlanCeilings.AllReduceMs"/> gives the times measured.</returns>
    public static (double GbPerSec, double Microseconds) Link(ICollective job)
    {
        var rows = new AlignedFloats(ManyElements);
        job.Keep(rows);
        double few = MedianMicroseconds(job, rows.Span[..FewElements]);
        double many = MedianMicroseconds(job, rows.Span);
        int steps = int.Log2(job.Ranks - 1) + 1;
        double latency = few / steps;
        double passes = 2.0 * (job.Ranks - 1);
        double sending = Math.Max(many - (passes * latency), many / 2);
        return (passes / job.Ranks * sizeof(float) * ManyElements / sending / 1e3, latency);
    }

    private static double MedianMicroseconds(ICollective job, Span<float> values)
    {
        double[] times = new double[Repeats];
        foreach (ref double time in times.AsSpan())
        {
            values.Fill(1);
            job.Barrier();
            long started = Stopwatch.GetTimestamp();
            job.AllReduce(values);
            time = Stopwatch.GetElapsedTime(started).TotalMicroseconds;
        }

        Array.Sort(times);
        return times[Repeats / 2];
    }
}
