using System.Globalization;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.GpuComparison.Reporting;

namespace NativeFfn.GpuComparison.Measuring;

/// <summary>Measures everything that a plan names on one device, one thing after the other. What fails does not keep the rest from being measured.</summary>
internal sealed class GpuRun
{
    // What was computed of wrong numbers is off by about 1, and E4M3 by some hundredths. The tests hold every digit.
    private const double LargestError = 0.2;

    private readonly GpuPlan _plan;
    private readonly FfnSpec _spec;
    private readonly CudaLibraries _libraries;
    private readonly CudaContext _context;
    private readonly FfnEngineOptions _options;
    private readonly Action<string> _progress;
    private readonly Action<GpuReport> _save;
    private readonly double _copyRate;
    private readonly List<GpuRow> _rows = [];
    private readonly List<string> _failures = [];
    private string _backend = string.Empty;

    private GpuRun(
        GpuPlan plan, CudaLibraries libraries, CudaContext context, FfnEngineOptions options, Action<string> progress, Action<GpuReport> save)
    {
        (_plan, _libraries, _context, _options, _progress, _save) = (plan, libraries, context, options, progress, save);
        _spec = FfnSpec.Create(FfnKind.SwiGlu, plan.Shape.DModel, plan.Shape.DFf);
        progress($"{context.Device.Name}: copying {plan.CopyBytes >> 20} MiB");
        using CudaStream stream = context.CreateStream();
        _copyRate = CopyRate.Measure(stream, plan.CopyBytes, plan.Seconds);
    }

    /// <summary>Runs the plan.</summary>
    /// <param name="plan">What to measure.</param>
    /// <param name="libraries">CUDA's libraries.</param>
    /// <param name="options">What engines are opened with; the precision is the plan's.</param>
    /// <param name="progress">Told what is done, and what failed.</param>
    /// <param name="save">Given all that is known after each token count and at the end.</param>
    /// <exception cref="NotSupportedException">The device has none of the precisions.</exception>
    /// <exception cref="BackendUnavailableException">The same where one was named, and where the backend is not there.</exception>
    public static void Measure(
        GpuPlan plan, CudaLibraries libraries, FfnEngineOptions options, Action<string> progress, Action<GpuReport> save)
    {
        using CudaContext context = CudaContext.RetainPrimary(libraries.Driver, libraries.Driver.Device(plan.Device));
        using CudaContext.Scope scope = context.Enter();
        new GpuRun(plan, libraries, context, options, progress, save).MeasureAll();
    }

    private void MeasureAll()
    {
        foreach (FfnPrecision precision in _plan.Precisions)
        {
            string name = Names<FfnPrecision>.Of(precision);
            _progress($"preparing {_spec} in {name}");
            try
            {
                Try(name, () => MeasurePrecision(precision));
            }
            catch (BackendUnavailableException unavailable) when (_plan.Precisions.Length > 1)
            {
                _progress($"{name} is left out: {unavailable.Message}");
            }
        }

        if (_rows.Count == 0 && _failures.Count == 0)
        {
            string names = string.Join(", ", _plan.Precisions.Select(Names<FfnPrecision>.Of));
            throw new NotSupportedException($"{_context.Device.Name} has none of these precisions: {names}.");
        }

        Save();
    }

    private void MeasurePrecision(FfnPrecision precision)
    {
        using var copies = new LayerCopies(_context, _options with { Precision = precision }, _spec);
        using CudaStream stream = _context.CreateStream();
        using var plain = new PlainProducts(_libraries.CuBlasLt, stream);
        _backend = copies.Backend.Version;
        var answer = new CheckedRows(_spec, copies.Weights, _plan.Tokens);
        int first = _rows.Count;
        foreach (int tokens in _plan.Tokens)
        {
            string what = string.Create(CultureInfo.InvariantCulture, $"{Names<FfnPrecision>.Of(precision)}, {tokens} tokens");
            _progress(what);
            Try(what, () =>
            {
                LayerTimes times = copies.Measure(answer.Input(tokens), _plan.Seconds);
                _rows.Add(RowOf(precision, tokens, copies, times, RequireRight(Math.Max(answer.Error(times.Output), answer.Error(times.Replayed)))));
            });
            Try($"{what}, plain products", () => NotePlain(first, tokens, plain.Measure(_spec, precision, tokens, _plan.Seconds)));
            Save();
        }
    }

    private GpuRow RowOf(FfnPrecision precision, int tokens, LayerCopies copies, LayerTimes times, double error) => new()
    {
        Subject = "NativeFfn",
        Precision = Names<FfnPrecision>.Of(precision),
        Tokens = tokens,
        DeviceMs = times.Queued.MedianMs,
        DeviceMinMs = times.Queued.MinMs,
        Runs = times.Queued.Runs,
        CapturedMs = times.Captured.MedianMs,
        HostMs = times.OnHost.MedianMs,
        CopyRateMs = copies.WeightBytes / _copyRate * 1e3,
        WeightBytes = copies.WeightBytes,
        WeightCopies = copies.Rotation.Copies,
        IsPastCache = copies.Rotation.IsPastCache,
        RelativeL2 = error,
    };

    // The best rate is that of all token counts, so that every row of the precision has another floor by each.
    private void NotePlain(int first, int tokens, double? milliseconds)
    {
        int noted = _rows.FindIndex(first, row => row.Tokens == tokens);
        if (noted >= 0)
        {
            _rows[noted] = _rows[noted] with { PlainProductsMs = milliseconds };
        }

        double? best = _rows.Skip(first).Min(static row => row.PlainProductsMs / row.Tokens);
        for (int i = first; i < _rows.Count; i++)
        {
            _rows[i] = _rows[i] with { ComputeFloorMs = best * _rows[i].Tokens };
        }
    }

    private static double RequireRight(double error) => error <= LargestError
        ? error
        : throw new IncompleteException(string.Create(
            CultureInfo.InvariantCulture, $"the answer is off by {error:0.0e+0} of what the layer adds; {LargestError} is allowed."));

    // What ends the context goes through: nothing after it could be measured.
    private void Try(string what, Action measure)
    {
        try
        {
            measure();
        }
        catch (Exception failure) when (failure is IncompleteException or CuBlasLtException or NotSupportedException or InsufficientMemoryException
            or OutOfMemoryException or CudaException { IsSticky: false } or DeviceFailedException { IsFatal: false })
        {
            string line = $"{what}: {failure.Message.ReplaceLineEndings(" ")}";
            _failures.Add(line);
            _progress(line);
        }
    }

    private void Save() => _save(new GpuReport
    {
        Program = "NativeFfn",
        Version = _backend,
        Device = _context.Device.Name,
        DModel = _spec.DModel,
        DFf = _spec.DFf,
        CopyBytesPerSecond = _copyRate,
        Autotune = _plan.Autotune,
        Rows = [.. _rows],
        Failures = _failures.Count > 0 ? [.. _failures] : null,
    });
}
