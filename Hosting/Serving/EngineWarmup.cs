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
    /// <summary>Warms up an engine.</summary>
    /// <param name="open">The engine.</param>
    /// <param name="tokens">The token counts, in any order.</param>
    /// <param name="autotune">Whether the engine measures algorithms when it is warmed up.</param>
    /// <param name="forward">Runs the rows.</param>
    /// <param name="cancellationToken">Ends it between two layers.</param>
    public static void Run(
        OpenEngine open, IReadOnlyList<int> tokens, bool autotune, LayerForward forward, CancellationToken cancellationToken)
    {
        (int Tokens, FfnLayer Layer)[] all =
        [
            .. from count in tokens.Distinct().OrderDescending()
               from served in open.Layers.All
               select (count, served.Layer),
        ];
        foreach ((int count, FfnLayer layer) in autotune ? all : [])
        {
            layer.Tune(count);
            cancellationToken.ThrowIfCancellationRequested();
        }

        for (int run = 0; run < open.Engine.Backend.WarmupRuns; run++)
        {
            foreach ((int count, FfnLayer layer) in all)
            {
                RunModes(layer, count, forward);
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }

    private static void RunModes(FfnLayer layer, int tokens, LayerForward forward)
    {
        // Rows that differ, so that a mixture's go to many experts.
        float[] input = ProbeRows.Make(tokens, layer.Spec.InputWidth);
        float[] output = new float[checked(tokens * layer.Spec.OutputWidth)];
        foreach (FfnMode mode in layer.Spec.Modes)
        {
            forward(layer, mode, input, output);
        }
    }
}
