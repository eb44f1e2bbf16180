namespace NativeFfn.Cli.Files;

/// <summary>The inner values of a forward as a safetensors file.</summary>
/// <remarks>
/// <c>normalized</c> (block mode with a norm before the network), then <c>pre_activation</c>, <c>activation</c> and, in a gated stage,
/// <c>up</c>, then <c>hidden</c>, and last <c>output</c>. Where a layer has several hidden stages, each one's names start with
/// <c>stages.{i}.</c>. A mixture has <c>routing.experts</c> and <c>routing.weights</c> (<c>[tokens, top k]</c>, best expert first) and
/// <c>routing.scores</c> (<c>[tokens, experts]</c>) in the place of stages; experts are numbers in F32 as all else, which holds them exactly.
/// </remarks>
internal static class TraceFile
{
    /// <summary>Refuses a trace whose arrays would not fit, before any work.</summary>
    public static void RequireRoom(FfnSpec spec, int tokens)
    {
        int widest = spec.Mixture is { } mixture
            ? Math.Max(spec.InputWidth, mixture.Experts)
            : spec.Stages.Max(static stage => Math.Max(stage.InputWidth, stage.Width));
        if ((long)tokens * widest > Array.MaxLength)
        {
            throw new UsageException(
                $"--trace of {tokens} tokens does not fit: rows of {widest} elements allow at most {Array.MaxLength / widest}. Give fewer tokens.");
        }
    }

    /// <summary>The tensors of a trace, in the order of the file.</summary>
    public static List<(string Name, int Width, float[] Values)> Tensors(FfnTrace trace, FfnMode mode, float[] output)
    {
        var tensors = new List<(string, int, float[])>();
        if (mode == FfnMode.Block && trace.Normalized is { } normalized)
        {
            tensors.Add(("normalized", trace.Spec.InputWidth, normalized));
        }

        if (trace.Routing is { } routing)
        {
            tensors.Add(("routing.experts", routing.Mixture.TopK, Array.ConvertAll(routing.Experts, static expert => (float)expert)));
            tensors.Add(("routing.weights", routing.Mixture.TopK, routing.Weights));
            tensors.Add(("routing.scores", routing.Mixture.Experts, routing.Scores));
        }

        for (int i = 0; i < trace.HiddenStages.Length; i++)
        {
            FfnStageTrace stage = trace.HiddenStages[i];
            string prefix = trace.HiddenStages.Length > 1 ? $"stages.{i}." : string.Empty;
            int width = stage.Stage.Width;
            tensors.Add((prefix + "pre_activation", width, stage.PreActivation));
            tensors.Add((prefix + "activation", width, stage.Activation));
            if (stage.Up is { } up)
            {
                tensors.Add((prefix + "up", width, up));
            }

            tensors.Add((prefix + "hidden", width, stage.Hidden));
        }

        tensors.Add(("output", trace.Spec.OutputWidth, output));
        return tensors;
    }
}
