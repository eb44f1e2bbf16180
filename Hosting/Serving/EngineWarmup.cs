using NativeFfn.Hosting.Batching;

namespace NativeFfn.Hosting.Serving;

/// <summary>Runs every layer in every mode before the first request, which then finds code compiled and memory in place.</summary>
/// <remarks>
/// A GPU plans a forward when it is first run, records one of few tokens in the second run and plays the record from the third on. An
/// algorithm that is replaced and memory that grows make records void. So algorithms are measured before anything is run, and all layers
/// run with many tokens before any of them runs with fewer, and once before any runs again.
/// </remarks>
internal static class EngineWarmup
{
    // Enough to find a runner asleep some times.
    private const int WarmupRequests = 4;

    /// <summary>Warms up layers.</summary>
    /// <param name="engine">The engine.</param>
    /// <param name="layers">Its layers, or those that are new in it.</param>
    /// <param name="tokens">The token counts, in any order.</param>
    /// <param name="autotune">Whether the engine measures algorithms when it is warmed up.</param>
    /// <param name="forward">Runs the rows.</param>
    /// <param name="time">The clock: what the last runs take is the layers' first experience.</param>
    /// <param name="cancellationToken">Ends it between two layers.</param>
    public static void Run(
        FfnEngine engine, IReadOnlyList<ServedLayer> layers, IReadOnlyList<int> tokens, bool autotune, LayerForward forward,
        TimeProvider time, CancellationToken cancellationToken)
    {
        (int Tokens, ServedLayer Served)[] all =
        [
            .. from count in tokens.Distinct().OrderDescending()
               from served in layers
               select (count, served),
        ];
        foreach ((int count, ServedLayer served) in autotune ? all : [])
        {
            served.Layer.Tune(count);
            cancellationToken.ThrowIfCancellationRequested();
        }

        for (int run = 0; run < engine.Backend.WarmupRuns; run++)
        {
            foreach ((int count, ServedLayer served) in all)
            {
                TimeSpan elapsed = RunModes(served.Layer, count, forward, time);
                if (run == engine.Backend.WarmupRuns - 1)
                {
                    served.Times.Measured(count, elapsed);
                }

                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }

    /// <summary>
    /// Sends requests of the smallest layer through the queue and past it, so that the first client's finds that compiled as well, and it
    /// is known what a way through the queue takes.
    /// </summary>
    /// <param name="open">The engine, whose runners have started.</param>
    /// <param name="delays">Whether the queue waits for a batch to fill: then requests are such as fill one.</param>
    public static void RunRequests(OpenEngine open, bool delays)
    {
        ServedLayer served = open.Layers.All.MinBy(static layer => layer.Info.WeightBytes)!;
        FfnSpec spec = served.Info.Spec;
        int tokens = delays ? Math.Max(1, served.MaxBatchTokens) : 1;
        float[] input = ProbeRows.Make(tokens, spec.InputWidth);
        float[] output = new float[checked(tokens * spec.OutputWidth)];
        LayerQueue queue = served.Queue(FfnMode.Ffn);
        for (int i = 0; i < WarmupRequests; i++)
        {
            // Whoever submits to the queue itself has to hold the layer, which the answer lets go.
            _ = served.TryUse();
            Wait(open.Queue.Submit(queue, input, output, tokens, Timeout.InfiniteTimeSpan, CancellationToken.None));
            _ = open.Dispatcher.TrySubmit(
                queue, input, output, tokens, Timeout.InfiniteTimeSpan, CancellationToken.None, out ValueTask answer);
            Wait(answer);
        }
    }

    private static void Wait(ValueTask answer) => answer.AsTask().GetAwaiter().GetResult();

    // Returns how long the last mode took, when most was compiled by those before.
    private static TimeSpan RunModes(FfnLayer layer, int tokens, LayerForward forward, TimeProvider time)
    {
        // Rows that differ, so that a mixture's go to many experts.
        float[] input = ProbeRows.Make(tokens, layer.Spec.InputWidth);
        float[] output = new float[checked(tokens * layer.Spec.OutputWidth)];
        long started = 0;
        foreach (FfnMode mode in layer.Spec.Modes)
        {
            started = time.GetTimestamp();
            forward(layer, mode, input, output);
        }

        return time.GetElapsedTime(started);
    }
}
