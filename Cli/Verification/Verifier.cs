using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.ExceptionServices;
using NativeFfn.Backends.Reference;
using NativeFfn.Checkpoints;

namespace NativeFfn.Cli.Verification;

/// <summary>Runs a layer on every available backend and compares with the reference.</summary>
/// <remarks>
/// The reference's forward runs on the checkpoint itself and its answers stay float64: no second copy of the layer, no rounding, and a
/// precision is measured from the numbers that the checkpoint holds.
/// </remarks>
internal static class Verifier
{
    private const int InputSeed = 1;

    // Some hundred times what float32 can be wrong about a score: closer choices would be a matter of luck, and no backend's fault.
    private const double LeastRoutingMargin = 1e-4;

    // Where other rows are as close, as with a router of zeros, the choice is a tie that every backend resolves alike.
    private const int RoutingAttempts = 8;

    /// <summary>Verifies one layer of an open checkpoint.</summary>
    /// <param name="model">The checkpoint's path, for the report.</param>
    /// <param name="found">The layer.</param>
    /// <param name="tokens">Rows of random input; positive.</param>
    /// <param name="options">Threads, precision and library paths; the backend is ignored.</param>
    /// <param name="required">Backends to verify although <see cref="BackendKind.Auto"/> would not choose them.</param>
    /// <exception cref="CheckpointException">A weight is not finite, so that there is nothing to compare with.</exception>
    /// <exception cref="NotSupportedException">No backend can hold the layer, such as for a weight that does not fit the precision.</exception>
    public static VerifyReport Run(string model, FfnCheckpointLayer found, int tokens, FfnEngineOptions options, ImmutableArray<BackendKind> required)
    {
        FfnSpec spec = found.Spec;
        var reference = new Float64Forward(spec, found.Weights);
        float[]? input = null;
        Dictionary<FfnMode, double[]>? expected = null;
        NotSupportedException? refusal = null;
        string? kept = null;
        var rows = new List<VerifyRow>();
        var skipped = new List<VerifySkip>();
        foreach (BackendCandidate candidate in FfnEngine.Probe(options).Where(candidate => candidate.IsAutomatic || required.Contains(candidate.Kind)))
        {
            string name = Names<BackendKind>.Of(candidate.Kind);
            if (candidate.Reason is { } reason)
            {
                skipped.Add(new VerifySkip(name, reason));
                continue;
            }

            // Few tokens might never reach a backend's library otherwise.
            CpuKernel kernel = options.Kernel == CpuKernel.Auto ? candidate.Description!.OwnKernel : options.Kernel;
            using FfnEngine engine = FfnEngine.Create(options with { Backend = candidate.Kind, Kernel = kernel });
            try
            {
                using FfnLayer layer = engine.CreateLayer(spec, found.Weights);
                if (engine.Rank > 0)
                {
                    engine.Follow();
                    continue;
                }

                kept ??= EngineReport.PrecisionOf(layer);
                (input, expected) = expected is null ? Expect(reference, found, tokens) : (input!, expected);
                rows.AddRange(Compare(layer, name, input, expected));
            }
            catch (NotSupportedException unsupported)
            {
                refusal = unsupported;
                skipped.Add(new VerifySkip(name, unsupported.Message));
            }
        }

        if (rows.Count == 0 && refusal is not null)
        {
            ExceptionDispatchInfo.Throw(refusal);
        }

        return new VerifyReport(
            model,
            found.Index,
            spec.Kind.Name,
            spec.DModel,
            spec.DFf,
            spec.Mixture?.Experts ?? 0,
            spec.Mixture?.TopK ?? 0,
            found.WeightType,
            kept ?? Names<FfnPrecision>.Of(options.Precision),
            tokens,
            rows.Count > 0 && rows.TrueForAll(static row => row.Passed),
            [.. rows],
            [.. skipped]);
    }

    /// <summary>The reference's answers in every mode; without norms, a block is the residual mode.</summary>
    internal static Dictionary<FfnMode, double[]> Compute(Float64Forward reference, FfnSpec spec, float[] input)
    {
        double[] x = Array.ConvertAll(input, static value => (double)value);
        double[] plain = reference.Network(x);
        return spec.Modes.Where(mode => mode != FfnMode.Block || spec.HasNorms || spec.BlockForm != BlockForm.Plain).ToDictionary(
            static mode => mode,
            mode => reference.Finish(mode, x, mode == FfnMode.Block && spec.PreNorm is not null ? reference.Network(reference.Prologue(x)) : plain));
    }

    // A backend that passes a NaN on computes as it should, and a router refuses to choose by one.
    private static (float[] Input, Dictionary<FfnMode, double[]> Expected) Expect(Float64Forward reference, FfnCheckpointLayer found, int tokens)
    {
        try
        {
            float[] input = CreateRows(reference, found.Spec, tokens);
            Dictionary<FfnMode, double[]> expected = Compute(reference, found.Spec, input);
            if (!expected.Values.All(static answers => Array.TrueForAll(answers, double.IsFinite)))
            {
                RequireFinite(found);
            }

            return (input, expected);
        }
        catch (ArgumentException)
        {
            RequireFinite(found);
            throw;
        }
    }

    private static void RequireFinite(FfnCheckpointLayer found)
    {
        foreach (FfnTensor tensor in found.Spec.Tensors)
        {
            float[] row = new float[tensor.Columns];
            for (int i = 0; i < tensor.Rows; i++)
            {
                found.Weights.ReadRows(tensor, i, row);
                if (Array.FindIndex(row, static weight => !float.IsFinite(weight)) is >= 0 and var column)
                {
                    throw new CheckpointException(
                        $"Layer {found.Index} has a weight that is no finite number: {tensor.Name}[{i}, {column}] is " +
                        $"{row[column].ToString(CultureInfo.InvariantCulture)}. There is nothing to compare with; get the checkpoint again.");
                }
            }
        }
    }

    // Rows whose experts are not well decided are replaced by others.
    private static float[] CreateRows(Float64Forward reference, FfnSpec spec, int tokens)
    {
        int width = spec.InputWidth;
        float[] rows = RandomRows.Create(tokens, width, InputSeed);
        for (int attempt = 1; attempt <= RoutingAttempts; attempt++)
        {
            double[] margins = RoutingMargins(reference, spec, rows);
            if (Array.TrueForAll(margins, static margin => margin >= LeastRoutingMargin))
            {
                break;
            }

            float[] others = RandomRows.Create(tokens, width, InputSeed + attempt);
            for (int token = 0; token < tokens; token++)
            {
                if (margins[token] < LeastRoutingMargin)
                {
                    others.AsSpan(token * width, width).CopyTo(rows.AsSpan(token * width, width));
                }
            }
        }

        return rows;
    }

    // By how much each row's routing was decided, in the mode where it was closest; infinite in a layer without a router.
    private static double[] RoutingMargins(Float64Forward reference, FfnSpec spec, float[] input)
    {
        double[] x = Array.ConvertAll(input, static value => (double)value);
        double[] margins = new double[x.Length / spec.InputWidth];
        Array.Fill(margins, double.PositiveInfinity);
        if (spec.Mixture is not null)
        {
            foreach (double[] rows in spec.PreNorm is null ? (double[][])[x] : [x, reference.Prologue(x)])
            {
                margins = [.. margins.Zip(reference.Route(rows), static (margin, route) => Math.Min(margin, route.Margin))];
            }
        }

        return margins;
    }

    private static IEnumerable<VerifyRow> Compare(
        FfnLayer layer, string backend, float[] input, Dictionary<FfnMode, double[]> expected)
    {
        foreach ((FfnMode mode, double[] reference) in expected)
        {
            var actual = new float[reference.Length];
            layer.Inspect(mode, input, actual);
            Comparison error = Comparison.Of(actual, reference);

            // Only now: experts may have been read by the forward.
            double tolerance = Comparison.ToleranceOf(layer.Spec, layer.Engine.Precision, layer.QuantizationError);
            yield return new VerifyRow(
                backend,
                Names<FfnMode>.Of(mode),
                error.RelativeL2,
                error.MaxAbsoluteError,
                tolerance,
                error.Passes(tolerance),
                layer.QuantizationError);
        }
    }
}
