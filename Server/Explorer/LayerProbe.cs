using System.Collections.Immutable;
using NativeFfn.Hosting;

namespace NativeFfn.Server.Explorer;

/// <summary>Runs a layer once with a trace and a few times with a profile, and takes one position out.</summary>
internal sealed class LayerProbe(ActivationCurves curves)
{
    private const int ProfiledRuns = 3;

    // A number in a reply: its float, and its digits in JSON.
    private const int ReplyBytes = sizeof(float) + 16;

    /// <summary>Bytes that <see cref="Look"/> takes for its rows, its trace and its reply, before anything of them is there.</summary>
    /// <param name="spec">The layer.</param>
    /// <param name="tokens">Rows.</param>
    /// <exception cref="OverflowException">An array would be longer than arrays may be.</exception>
    public static long BytesOf(FfnSpec spec, int tokens)
    {
        long ofToken = 0;
        foreach (long width in WidthsOf(spec))
        {
            _ = checked((int)(width * tokens));
            ofToken += width;
        }

        return checked((ofToken * tokens * sizeof(float)) + (ofToken * ReplyBytes));
    }

    /// <summary>Looks into a forward.</summary>
    /// <param name="info">The layer's name and spec.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="request">What was asked for.</param>
    /// <param name="mode">Its mode.</param>
    /// <param name="rows">Its rows.</param>
    public ComputeReply Look(FfnLayerInfo info, FfnLayer layer, ComputeRequest request, FfnMode mode, float[] rows)
    {
        FfnSpec spec = layer.Spec;
        var view = new PositionView(request.Position, rows.Length / spec.InputWidth);
        float[] output = new float[view.Tokens * spec.OutputWidth];
        var trace = new FfnTrace(spec, view.Tokens);
        layer.Inspect(mode, rows, output, trace);
        return new ComputeReply(
            info.Name,
            spec.Kind.Name,
            layer.Engine.Backend.Name,
            Names<FfnMode>.Of(mode),
            mode == FfnMode.Block ? spec.BlockFormula : null,
            view.Tokens,
            view.Position,
            view.Of(rows),
            mode == FfnMode.Block ? view.OfAny(trace.Normalized) : null,
            trace.Routing is { } routing ? view.Of(routing) : null,
            [.. trace.HiddenStages.Select(stage => Describe(layer.Engine, stage, spec, view))],
            new LastStage(spec.Stages[^1].Kind.Activation.Name, spec.Stages[^1].Kind.Gated, spec.Stages[^1].HasBias),
            view.Of(output),
            Measure(layer, mode, rows, output),
            ForwardCode.Of(info, mode, request, view.Tokens));
    }

    // Of one token, in the order in which they are allocated.
    private static IEnumerable<long> WidthsOf(FfnSpec spec)
    {
        yield return spec.InputWidth;
        yield return spec.OutputWidth;
        if (spec.PreNorm is not null)
        {
            yield return spec.InputWidth;
        }

        if (spec.Mixture is { } mixture)
        {
            yield return mixture.Experts;
            yield return 2L * mixture.TopK;
            yield break;
        }

        foreach (FfnStage stage in spec.Stages[..^1])
        {
            // Pre-activation, activation, up and hidden, the last two not always.
            yield return stage.Width;
            yield return stage.Width;
            yield return stage.Width;
            yield return stage.Width;
        }
    }

    private ComputedStage Describe(FfnEngine engine, FfnStageTrace stage, FfnSpec spec, PositionView view)
    {
        ComputedRow preActivation = view.Of(stage.PreActivation);
        FfnKind kind = stage.Stage.Kind;
        return new ComputedStage(
            kind.Activation.Name,
            new StageForm(
                stage.Stage.HasBias, kind.Parameters is { } own && own != new ActivationParameters(),
                kind.Parameters is { SparsityMultiplier: not 0 }, spec.InnerNorm is not null),
            preActivation,
            view.Of(stage.Activation),
            view.OfAny(stage.Up),
            stage.Hidden == stage.Activation ? null : view.Of(stage.Hidden),
            curves.Over(engine, kind, preActivation.Values));
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

    /// <summary>One position among the rows of a forward.</summary>
    private readonly record struct PositionView(int Position, int Tokens)
    {
        public ComputedRow? OfAny(float[]? rows) => rows is null ? null : Of(rows);

        public ComputedRow Of(float[] rows)
        {
            int width = rows.Length / Tokens;
            float[] rms = new float[Tokens];
            for (int token = 0; token < Tokens; token++)
            {
                double squares = 0;
                foreach (float value in rows.AsSpan(token * width, width))
                {
                    squares += (double)value * value;
                }

                rms[token] = (float)Math.Sqrt(squares / width);
            }

            return new ComputedRow(rows.AsSpan(Position * width, width).ToArray(), rms);
        }

        public ComputedRouting Of(FfnRoutingTrace routing)
        {
            MixtureSpec mixture = routing.Mixture;
            return new ComputedRouting(
                mixture.Experts,
                mixture.TopK,
                Names<RouterScoring>.Of(mixture.Scoring),
                mixture.WeighsInput,
                mixture.SharedDFf > 0,
                routing.Scores.AsSpan(Position * mixture.Experts, mixture.Experts).ToArray(),
                [.. Enumerable.Range(0, Tokens).Select(token => ChoicesOf(routing, token))]);
        }

        private static ImmutableArray<RoutedExpert> ChoicesOf(FfnRoutingTrace routing, int token)
        {
            int topK = routing.Mixture.TopK;
            return [.. Enumerable.Range(token * topK, topK).Select(i => new RoutedExpert(routing.Experts[i], routing.Weights[i]))];
        }
    }
}
