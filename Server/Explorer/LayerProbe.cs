using System.Collections.Immutable;

namespace NativeFfn.Server.Explorer;

/// <summary>Runs a layer once with a trace and a few times with a profile, and takes one position out.</summary>
internal sealed class LayerProbe(ActivationCurves curves)
{
    private const int ProfiledRuns = 3;

    /// <summary>Looks into a forward.</summary>
    public ComputeReply Look(string name, FfnLayer layer, FfnMode mode, float[] rows, int position)
    {
        FfnSpec spec = layer.Spec;
        int tokens = rows.Length / spec.InputWidth;
        float[] output = new float[tokens * spec.OutputWidth];
        var trace = new FfnTrace(spec, tokens);
        layer.Inspect(mode, rows, output, trace);
        return new ComputeReply(
            name,
            spec.Kind.Name,
            layer.Engine.Backend.Name,
            mode.ToString().ToLowerInvariant(),
            tokens,
            position,
            Row(rows, position, tokens),
            mode == FfnMode.Block && trace.Normalized is { } normalized ? Row(normalized, position, tokens) : null,
            Routes(trace, position),
            [.. trace.HiddenStages.Select(stage => Describe(layer.Engine, stage, position, tokens))],
            Row(output, position, tokens),
            Measure(layer, mode, rows, output));
    }

    private static ImmutableArray<RoutedExpert>? Routes(FfnTrace trace, int position)
    {
        if (trace.Routing is not { } routing)
        {
            return null;
        }

        int topK = routing.Mixture.TopK;
        return [.. Enumerable.Range(position * topK, topK).Select(i => new RoutedExpert(routing.Experts[i], routing.Weights[i]))];
    }

    private ComputedStage Describe(FfnEngine engine, FfnStageTrace stage, int position, int tokens)
    {
        float[] preActivation = Row(stage.PreActivation, position, tokens);
        Activation activation = stage.Stage.Kind.Activation;
        return new ComputedStage(
            activation.ToString(),
            preActivation,
            Row(stage.Activation, position, tokens),
            stage.Up is { } up ? Row(up, position, tokens) : null,
            stage.Up is null ? null : Row(stage.Hidden, position, tokens),
            curves.Over(engine, activation, preActivation));
    }

    private static ComputeTiming Measure(FfnLayer layer, FfnMode mode, float[] rows, float[] output)
    {
        var profile = new FfnProfile();
        for (int run = 0; run < ProfiledRuns; run++)
        {
            layer.Inspect(mode, rows, output, profile: profile);
        }

        ImmutableArray<StepTime> steps =
        [
            .. Enum.GetValues<FfnStep>().Select(step => new StepTime(
                step.ToString().ToLowerInvariant(), profile.TimeIn(step).TotalMilliseconds / ProfiledRuns, profile.ShareOf(step))),
        ];
        return new ComputeTiming(
            profile.Elapsed.TotalMilliseconds / ProfiledRuns,
            profile.ThreadTime.TotalMilliseconds / ProfiledRuns,
            layer.Engine.Backend.Threads,
            steps);
    }

    private static float[] Row(float[] rows, int position, int tokens)
    {
        int width = rows.Length / tokens;
        return rows.AsSpan(position * width, width).ToArray();
    }
}
