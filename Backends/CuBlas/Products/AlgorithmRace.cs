using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Products;

/// <summary>Times the algorithms that cuBLASLt proposes for a product, since its first proposal is the fastest only nine times of ten.</summary>
internal static class AlgorithmRace
{
    // Proposals that are timed.
    private const int Candidates = 8;

    // Rounds in which every candidate runs once; the median of them counts.
    private const int Rounds = 7;

    // The first proposal is left only for one that is faster by this much: noise should not flip the choice.
    private const float Margin = 1.02f;

    /// <summary>The fastest algorithm, or null where cuBLASLt has none.</summary>
    /// <param name="lane">Where they run; nothing else may be queued there.</param>
    /// <param name="product">The product.</param>
    /// <param name="run">Queues the product by a plan.</param>
    public static MatmulAlgorithm? Winner(DeviceLane lane, Matmul product, Action<ProductPlan> run)
    {
        var found = new MatmulAlgorithm[Candidates];
        int count = product.Find(lane.Library, lane.Workspace.Bytes, found);
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
                float time = TimeOf(lane, new ProductPlan(product, found[i]), run);
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
    private static float TimeOf(DeviceLane lane, ProductPlan plan, Action<ProductPlan> run)
    {
        try
        {
            return Time(lane, () => run(plan));
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
    public static float Time(DeviceLane lane, Action queue)
    {
        using CudaEvent start = lane.Context.CreateEvent(timing: true);
        using CudaEvent end = lane.Context.CreateEvent(timing: true);
        lane.Stream.Record(start);
        queue();
        lane.Stream.Record(end);
        end.Synchronize();
        return end.MillisecondsSince(start);
    }
}
