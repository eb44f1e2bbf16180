using System.Collections.Immutable;
using System.Globalization;
using NativeFfn.Bindings.Cuda;
using NativeFfn.GpuComparison.Reporting;

namespace NativeFfn.GpuComparison.Measuring;

/// <summary>Measures everything that a plan names on one device, one thing after the other.</summary>
internal static class GpuRun
{
    private const int InputSeed = 1;

    // What was computed of wrong numbers is off by about 1, and E4M3 by some hundredths. The tests hold every digit.
    private const double LargestError = 0.2;

    /// <summary>Runs the plan.</summary>
    /// <param name="plan">What to measure.</param>
    /// <param name="libraries">CUDA's libraries.</param>
    /// <param name="options">What engines are opened with; the precision is the plan's.</param>
    /// <param name="progress">Told what is done.</param>
    /// <exception cref="WrongResultException">The layer's answer is wrong.</exception>
    public static GpuReport Measure(GpuPlan plan, CudaLibraries libraries, FfnEngineOptions options, Action<string> progress)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, plan.Shape.DModel, plan.Shape.DFf);
        CudaDevice device = libraries.Driver.Device(plan.Device);
        using CudaContext context = CudaContext.RetainPrimary(libraries.Driver, device);
        using CudaContext.Scope scope = context.Enter();
        progress($"{device.Name}: copying {plan.CopyBytes >> 20} MiB");
        double copyRate = MeasureCopy(context, plan);
        var rows = ImmutableArray.CreateBuilder<GpuRow>();
        string backend = string.Empty;
        foreach (FfnPrecision precision in plan.Precisions)
        {
            progress($"preparing {spec} in {FfnPrecisionNames.Of(precision)}");
            try
            {
                using var copies = new LayerCopies(context, options with { Precision = precision }, spec);
                backend = copies.Backend.Version;
                rows.AddRange(MeasurePrecision(plan, context, libraries, copies, precision, copyRate, progress));
            }
            catch (BackendUnavailableException unavailable) when (plan.Precisions.Length > 1)
            {
                progress($"{FfnPrecisionNames.Of(precision)} is left out: {unavailable.Message}");
            }
        }

        if (rows.Count == 0)
        {
            throw new NotSupportedException($"{device.Name} has none of these precisions: {string.Join(", ", plan.Precisions.Select(FfnPrecisionNames.Of))}.");
        }

        return new GpuReport
        {
            Program = "NativeFfn",
            Version = backend,
            Device = device.Name,
            DModel = spec.DModel,
            DFf = spec.DFf,
            CopyBytesPerSecond = copyRate,
            Autotune = plan.Autotune,
            Rows = rows.ToImmutable(),
        };
    }

    private static double MeasureCopy(CudaContext context, GpuPlan plan)
    {
        using CudaStream stream = context.CreateStream();
        return CopyRate.Measure(stream, plan.CopyBytes, plan.Seconds);
    }

    private static ImmutableArray<GpuRow> MeasurePrecision(
        GpuPlan plan, CudaContext context, CudaLibraries libraries, LayerCopies copies, FfnPrecision precision, double copyRate, Action<string> progress)
    {
        FfnSpec spec = copies.Spec;
        float[] input = RandomRows(plan.Tokens.Max(), spec.DModel);
        var reference = new Dictionary<int, double[]>();
        int[] checkedRows = [.. plan.Tokens.Select(static tokens => tokens - 1).Append(0).Distinct()];
        double[][] branches = Float64Rows.Of(spec, copies.Weights, [.. checkedRows.Select(row => Row(input, row, spec.DModel))]);
        for (int i = 0; i < checkedRows.Length; i++)
        {
            reference.Add(checkedRows[i], branches[i]);
        }

        using CudaStream stream = context.CreateStream();
        using var plain = new PlainProducts(libraries.CuBlasLt, stream);
        List<(int Tokens, LayerTimes Layer, double? PlainMs, double Error)> measured = [];
        foreach (int tokens in plan.Tokens)
        {
            progress(string.Create(CultureInfo.InvariantCulture, $"{FfnPrecisionNames.Of(precision)}, {tokens} tokens"));
            float[] rows = input[..(tokens * spec.DModel)];
            LayerTimes layer = copies.Measure(rows, plan.Seconds);
            double error = Math.Max(Error(0), Error(tokens - 1));
            if (!(error <= LargestError))
            {
                throw new WrongResultException(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{FfnPrecisionNames.Of(precision)} at {tokens} tokens is off by {error:0.0e+0} of what the layer adds; {LargestError} is allowed."));
            }

            measured.Add((tokens, layer, plain.Measure(spec, precision, tokens, plan.Seconds), error));

            double Error(int row) => Float64Rows.RelativeError(
                Row(layer.Output, row, spec.DModel), Row(rows, row, spec.DModel), reference[row]);
        }

        double? bestFlops = measured.Max(one => spec.FlopsPerToken * one.Tokens / (one.PlainMs / 1e3));
        return
        [
            .. measured.Select(one => new GpuRow
            {
                Subject = "NativeFfn",
                Precision = FfnPrecisionNames.Of(precision),
                Tokens = one.Tokens,
                DeviceMs = one.Layer.Queued.MedianMs,
                DeviceMinMs = one.Layer.Queued.MinMs,
                Runs = one.Layer.Queued.Runs,
                CapturedMs = one.Layer.Captured.MedianMs,
                HostMs = one.Layer.OnHost.MedianMs,
                PlainProductsMs = one.PlainMs,
                MemoryFloorMs = copies.WeightBytes / copyRate * 1e3,
                ComputeFloorMs = spec.FlopsPerToken * one.Tokens / bestFlops * 1e3,
                WeightBytes = copies.WeightBytes,
                WeightCopies = copies.Rotation.Copies,
                IsPastCache = copies.Rotation.IsPastCache,
                RelativeL2 = one.Error,
            }),
        ];
    }

    private static float[] Row(float[] rows, int row, int width) => rows[(row * width)..((row + 1) * width)];

    // Uniform in [−1, 1).
    private static float[] RandomRows(int tokens, int width)
    {
        float[] rows = new float[checked(tokens * width)];
        var random = new Random(InputSeed);
        foreach (ref float value in rows.AsSpan())
        {
            value = (2f * random.NextSingle()) - 1f;
        }

        return rows;
    }
}
