using System.Numerics.Tensors;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.ML.OnnxRuntime;
using NativeFfn.Bench.Onnx;
using NativeFfn.Bench.Subjects;
using NativeFfn.Hosting;

namespace NativeFfn.Bench.Small;

/// <summary>A library that runs a small layer for callers at a time, each with rows of its own.</summary>
internal interface ISmallSubject : IDisposable
{
    /// <summary>The column's name.</summary>
    string Name { get; }

    /// <summary>A caller: what it calls runs one forward and returns when the output is written. Outputs are made beforehand.</summary>
    /// <param name="input">x, <c>[tokens, d_model]</c>.</param>
    /// <param name="output">y, <c>[tokens, d_model]</c>.</param>
    Action Caller(float[] input, float[] output);
}

/// <summary>The layer, called directly.</summary>
internal sealed class DirectSubject : ISmallSubject
{
    private readonly FfnEngine _engine;
    private readonly FfnLayer _layer;

    /// <summary>Opens an engine.</summary>
    /// <param name="weights">The layer.</param>
    /// <param name="threads">Threads of a forward; 0 for the engine's choice.</param>
    public DirectSubject(LayerWeights weights, int threads)
    {
        Name = threads == 0 ? "direct" : $"direct, {threads}";
        _engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed, Threads = threads });
        _layer = _engine.CreateLayer(weights.Spec, weights);
    }

    public string Name { get; }

    public Action Caller(float[] input, float[] output) => () => _layer.Forward(input, output);

    public void Dispose()
    {
        _layer.Dispose();
        _engine.Dispose();
    }
}

/// <summary>The layer behind the client of a server.</summary>
internal sealed class ClientSubject : ISmallSubject
{
    private const string Layer = "small/0";

    private readonly IHost _host;
    private readonly IFfnClient _client;

    /// <summary>Starts a host.</summary>
    /// <param name="weights">The layer.</param>
    /// <param name="threads">Threads of a forward; 0 for the engine's choice.</param>
    public ClientSubject(LayerWeights weights, int threads)
    {
        Name = threads == 0 ? "client" : $"client, {threads}";
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddNativeFfn(options => options.AddLayer("small", weights.Spec, weights)
            .ConfigureEngine(engine => engine with { Backend = BackendKind.Managed, Threads = threads }));
        _host = builder.Build();
        _host.Start();
        _client = _host.Services.GetRequiredService<IFfnClient>();
    }

    public string Name { get; }

    public Action Caller(float[] input, float[] output) => () =>
    {
        ValueTask answer = _client.ForwardAsync(Layer, input, output);
        if (answer.IsCompleted)
        {
            answer.GetAwaiter().GetResult();
        }
        else
        {
            answer.AsTask().GetAwaiter().GetResult();
        }
    };

    public void Dispose()
    {
        _host.StopAsync().GetAwaiter().GetResult();
        _host.Dispose();
    }
}

/// <summary>ONNX Runtime with rows and results bound beforehand and threads of its own.</summary>
internal sealed class SmallOnnxSubject : ISmallSubject
{
    private readonly InferenceSession _session;
    private readonly RunOptions _runOptions = new();
    private readonly List<IDisposable> _bound = [];
    private readonly long _width;

    /// <summary>Opens a session.</summary>
    public SmallOnnxSubject(LayerWeights weights, int threads)
    {
        Name = $"onnx, {threads}";
        _width = weights.Spec.DModel;
        using var options = new SessionOptions
        {
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            IntraOpNumThreads = threads,
            InterOpNumThreads = 1,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        _session = new InferenceSession(FfnGraph.Write(weights, new FloatMatrices(), addsInput: false), options);
    }

    public string Name { get; }

    public Action Caller(float[] input, float[] output)
    {
        long[] shape = [input.Length / _width, _width];
        OrtValue x = OrtValue.CreateTensorValueFromMemory(input, shape);
        OrtValue y = OrtValue.CreateTensorValueFromMemory(output, shape);
        OrtIoBinding binding = _session.CreateIoBinding();
        binding.BindInput(FfnGraph.Input, x);
        binding.BindOutput(FfnGraph.Output, y);
        _bound.AddRange([binding, x, y]);
        return () => _session.RunWithBinding(_runOptions, binding);
    }

    public void Dispose()
    {
        _bound.ForEach(static one => one.Dispose());
        _runOptions.Dispose();
        _session.Dispose();
    }
}

/// <summary>Rows times rows by <see cref="TensorPrimitives.Dot{T}"/>, as a program without a library would write it.</summary>
internal sealed class TensorPrimitivesSubject(LayerWeights weights) : ISmallSubject
{
    public string Name => "TensorPrimitives";

    public Action Caller(float[] input, float[] output)
    {
        FfnSpec spec = weights.Spec;
        float[] hidden = new float[spec.DFf];
        float[] up = new float[spec.DFf];
        return () =>
        {
            for (int token = 0; token < input.Length / spec.DModel; token++)
            {
                ReadOnlySpan<float> x = input.AsSpan(token * spec.DModel, spec.DModel);
                Multiply(weights.Gate.Span, x, hidden);
                if (spec.Kind.Gated)
                {
                    Multiply(weights.Up.Span, x, up);
                    TensorPrimitives.Multiply(hidden, up, up);
                    TensorPrimitives.Sigmoid<float>(hidden, hidden);
                    TensorPrimitives.Multiply(hidden, up, hidden);
                }
                else
                {
                    TensorPrimitives.Max(hidden, 0f, hidden);
                }

                Multiply(weights.Down.Span, hidden, output.AsSpan(token * spec.DModel, spec.DModel));
            }
        };
    }

    public void Dispose()
    {
    }

    private static void Multiply(ReadOnlySpan<float> matrix, ReadOnlySpan<float> x, Span<float> y)
    {
        for (int row = 0; row < y.Length; row++)
        {
            y[row] = TensorPrimitives.Dot(matrix.Slice(row * x.Length, x.Length), x);
        }
    }
}
