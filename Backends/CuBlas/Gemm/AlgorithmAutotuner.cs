using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Gemm;

/// <summary>Times the algorithms that cuBLASLt proposes for a GEMM, since its first proposal is the fastest only nine times of ten.</summary>
internal static class AlgorithmAutotuner
{
    // Proposals that are timed.
    private const int Candidates = 8;

    // Rounds in which every candidate runs once; the median of them counts.
    private const int Rounds = 7;

    // The first proposal is left only for one that is faster by this much: noise should not flip the choice.
    private const float Margin = 1.02f;

    /// <summary>The fastest algorithm, or null where cuBLASLt has none.</summary>
    /// <param name="slot">Where they run; nothing else may be queued there.</param>
    /// <param name="matmul">The GEMM.</param>
    /// <param name="run">Queues the GEMM by a plan.</param>
    public static MatmulAlgorithm? Fastest(StreamSlot slot, Matmul matmul, Action<GemmPlan> run)
    {
        var found = new MatmulAlgorithm[Candidates];
        int count = matmul.Find(slot.Library, slot.Workspace.Bytes, found);
        if (count == 0)
        {
            return null;
        }

        float[][] times = [.. found.Take(count).Select(static _ => new float[Rounds])];
        for (int round = -1; round < Rounds; round++)
        {
            // In turns, so that a change of the device's clock falls on all; the first round only warms up.
            for (int i = 0; i < count; i++)
            {
                float time = TimeOf(slot, new GemmPlan(matmul, found[i]), run);
                if (round >= 0)
                {
                    times[i][round] = time;
                }
            }
        }

        int best = 0;
        for (int i = 1; i < count; i++)
        {
            best = Median(times[i]) * (best == 0 ? Margin : 1) < Median(times[best]) ? i : best;
        }

        return found[best];
    }

    // A proposal that cuBLASLt then refuses to run is the slowest.
    private static float TimeOf(StreamSlot slot, GemmPlan plan, Action<GemmPlan> run)
    {
        try
        {
            return Time(slot, () => run(plan));
        }
        catch (CuBlasLtException)
        {
            return float.PositiveInfinity;
        }
    }

    /// <summary>The median of some times.</summary>
    public static float Median(ReadOnlySpan<float> times)
    {
        float[] sorted = times.ToArray();
        Array.Sort(sorted);
        return sorted[sorted.Length / 2];
    }

    /// <summary>Milliseconds that queued work takes on the device.</summary>
    public static float Time(StreamSlot slot, Action queue)
    {
        using CudaEvent start = slot.Context.CreateEvent(timing: true);
        using CudaEvent end = slot.Context.CreateEvent(timing: true);
        slot.Stream.Record(start);
        queue();
        slot.Stream.Record(end);
        end.Synchronize();
        return end.MillisecondsSince(start);
    }
}
