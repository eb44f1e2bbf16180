using System.Diagnostics;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Gpu;

/// <summary>Copies of a layer, all of other random weights, whose forwards take turns.</summary>
internal sealed unsafe class LayerCopies : IDisposable
{
    // Of the first copy; the others count up from it.
    private const ulong WeightSeed = 1;

    private readonly CudaContext _context;
    private readonly FfnEngine _engine;
    private readonly List<FfnLayer> _layers = [];
    private readonly FfnDeviceStream _deviceStream;
    private readonly CudaStream _stream;
    private readonly DeviceTimer _timer;

    /// <summary>Makes as many copies as the device's cache asks for.</summary>
    /// <param name="context">The context of the engine's device: its primary one.</param>
    /// <param name="options">The engine's options.</param>
    /// <param name="spec">The layer.</param>
    public LayerCopies(CudaContext context, FfnEngineOptions options, FfnSpec spec)
    {
        _context = context;
        Spec = spec;
        _engine = FfnEngine.Create(options);
        try
        {
            Add();
            Rotation = WeightRotation.OnDevice(_layers[0].WeightBytes, context.Device.CacheBytes);
            while (_layers.Count < Rotation.Copies)
            {
                Add();
            }

            _deviceStream = _engine.CreateDeviceStream();
            _stream = context.AdoptStream(_deviceStream.Handle);
            _timer = new DeviceTimer(_stream);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The layer.</summary>
    public FfnSpec Spec { get; }

    /// <summary>How many there are.</summary>
    public WeightRotation Rotation { get; }

    /// <summary>What runs them.</summary>
    public BackendDescription Backend => _engine.Backend;

    /// <summary>Bytes of one copy's weights.</summary>
    public long WeightBytes => _layers[0].WeightBytes;

    /// <summary>The first copy's weights.</summary>
    public IFfnWeightSource Weights => new XavierWeights(Spec, WeightSeed);

    /// <summary>Measures one token count, in the device's memory and in the host's.</summary>
    /// <param name="rows">x, row-major <c>[tokens, d_model]</c>.</param>
    /// <param name="seconds">Time for each of the three numbers.</param>
    public LayerTimes Measure(float[] rows, double seconds)
    {
        int tokens = rows.Length / Spec.DModel;
        float[] output = new float[rows.Length];
        foreach (FfnLayer layer in _layers)
        {
            layer.Warmup(tokens);
        }

        (Times onHost, int callers) = (MeasureHost(rows, output, seconds), _layers.Count);
        using DeviceMemory input = _context.Allocate((long)rows.Length * sizeof(float));
        using DeviceMemory result = _context.Allocate((long)rows.Length * sizeof(float));
        Upload(rows, input);
        var x = new FfnDeviceRows(input.Region.Address, tokens, Spec.DModel);
        var y = new FfnDeviceRows(result.Region.Address, tokens, Spec.DModel);
        Times queued = _timer.Measure(seconds, run => _layers[run % callers].ForwardResidual(_deviceStream, x, x, y));
        _layers[0].ForwardResidual(_deviceStream, x, x, y);
        Download(result, output);
        float[] replayed = new float[rows.Length];
        Times captured = MeasureCaptured(x, y, seconds, result, replayed);
        return new LayerTimes(queued, captured, onHost, output, replayed);
    }

    public void Dispose()
    {
        _timer?.Dispose();
        _stream?.Dispose();
        _deviceStream?.Dispose();
        _layers.ForEach(static layer => layer.Dispose());
        _engine.Dispose();
    }

    private void Add() => _layers.Add(_engine.CreateLayer(Spec, new XavierWeights(Spec, WeightSeed + (ulong)_layers.Count)));

    // Every copy was run on the stream before, so that nothing is made while it is recorded.
    private Times MeasureCaptured(FfnDeviceRows x, FfnDeviceRows y, double seconds, DeviceMemory result, float[] replayed)
    {
        List<CudaGraph> graphs = [];
        try
        {
            foreach (FfnLayer layer in _layers)
            {
                graphs.Add(Capture(layer, x, y));
            }

            Times times = _timer.Measure(seconds, run => _stream.Launch(graphs[run % graphs.Count]));

            // NaN, so that a graph which writes nothing is not right by what was there before.
            _stream.Fill(result.Region, 0xFF);
            _stream.Launch(graphs[0]);
            Download(result, replayed);
            return times;
        }
        finally
        {
            _stream.Synchronize();
            graphs.ForEach(static graph => graph.Dispose());
        }
    }

    private CudaGraph Capture(FfnLayer layer, FfnDeviceRows x, FfnDeviceRows y)
    {
        _stream.BeginCapture();
        try
        {
            layer.ForwardResidual(_deviceStream, x, x, y);
            return _stream.EndCapture();
        }
        catch
        {
            _stream.AbandonCapture();
            throw;
        }
    }

    private Times MeasureHost(float[] rows, float[] output, double seconds)
    {
        List<double> milliseconds = [];
        long start = Stopwatch.GetTimestamp();
        for (int run = 0; run < 2 * _layers.Count || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds; run++)
        {
            long before = Stopwatch.GetTimestamp();
            _layers[run % _layers.Count].ForwardResidual(rows, rows, output);
            milliseconds.Add(Stopwatch.GetElapsedTime(before).TotalMilliseconds);
        }

        return Times.Of(milliseconds);
    }

    private void Upload(float[] rows, DeviceMemory memory)
    {
        fixed (float* first = rows)
        {
            _stream.CopyToDevice(first, memory.Region);
            _stream.Synchronize();
        }
    }

    private void Download(DeviceMemory memory, float[] rows)
    {
        fixed (float* first = rows)
        {
            _stream.CopyToHost(memory.Region, first);
            _stream.Synchronize();
        }
    }
}

/// <summary>One token count, measured.</summary>
/// <param name="Queued">The device's time, forwards queued one by one.</param>
/// <param name="Captured">The device's time, each forward one launch of a CUDA graph.</param>
/// <param name="OnHost">A caller's time from rows in the host's memory to results there.</param>
/// <param name="Output">The first copy's result, row-major.</param>
/// <param name="Replayed">The same by a launch of its graph.</param>
internal sealed record LayerTimes(Times Queued, Times Captured, Times OnHost, float[] Output, float[] Replayed);
