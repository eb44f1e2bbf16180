using CommunityToolkit.HighPerformance;
using NativeFfn.Backends;

namespace NativeFfn;

/// <summary>A feed-forward layer with its weights in a backend's memory, ready to run.</summary>
/// <remarks>
/// <para>
/// Rows are tokens: spans are row-major float32, lengths in elements, and hold a whole number of rows; zero rows are allowed. The layer is
/// applied to every row alone.
/// </para>
/// <para>
/// The output may be the very same memory as the input or the residual (in place), if the layer has a hidden stage and its rows go out as
/// wide as they came in; any other overlap is refused. Safe for use by several threads at once; nothing is allocated once the scratch
/// memory has grown to the rows in use. The same rows on the same machine with the same thread count give the same bits, wherever
/// in memory they lie and whoever else runs; on a GPU, as long as rows in its memory are aligned alike and nothing is measured anew.
/// </para>
/// <para>Disposing while forwards run lets them finish and frees the weights after the last one.</para>
/// </remarks>
/// <example>
/// <code>
/// using FfnEngine engine = FfnEngine.Create();
/// FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, dModel, dFf);
/// using FfnLayer layer = engine.CreateLayer(spec, new FfnWeights { Gate = gate, Up = up, Down = down });
/// layer.ForwardResidual(x, x, x);           // in place: x += FFN(x)
/// </code>
/// </example>
public sealed class FfnLayer : IDisposable
{
    private readonly FfnEngine _engine;
    private readonly ILoadedLayer _prepared;
    private volatile bool _disposed;

    internal FfnLayer(FfnEngine engine, FfnSpec spec, ILoadedLayer prepared)
    {
        _engine = engine;
        _prepared = prepared;
        Spec = spec;
    }

    /// <summary>The layer's shape and formula.</summary>
    public FfnSpec Spec { get; }

    /// <summary>The engine that runs it.</summary>
    public FfnEngine Engine => _engine;

    /// <summary>Bytes that the weights occupy in the backend's memory.</summary>
    public long WeightBytes => _prepared.WeightBytes;

    /// <summary>
    /// What was lost when the weights were brought to the engine's precision: the relative L2 error ‖stored - given‖ / ‖given‖ of the
    /// matrix that lost most; 0 where nothing was lost.
    /// </summary>
    public double QuantizationError => _prepared.QuantizationError;

    /// <summary>How the matrices are kept in memory: encodings with + between them, such as <c>f32</c> or <c>q4_K+q6_K</c>.</summary>
    public string Encodings => _prepared.Encodings;

    /// <summary>
    /// Which GEMM multiplies how many tokens, in words, such as <c>panels to 48 tokens, sgemm on widened panels beyond</c>. Of a mixture it is
    /// the tokens of one expert that count.
    /// </summary>
    public string Gemms => _prepared.Gemms;

    /// <summary>
    /// Where the matrices in memory were put on a machine of several NUMA nodes (<see cref="FfnEngineOptions.Numa"/>), in words, and what kept
    /// them from there; empty where no threads are bound to nodes.
    /// </summary>
    public string Placement => _prepared.Placement;

    /// <summary>Threads that share a forward of so many tokens where they are free, the caller's included; 1 where it is too small to share.</summary>
    /// <remarks>It follows from the work, and from how long forwards took with and without help. On a GPU it is 1.</remarks>
    /// <param name="tokens">Tokens.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="tokens"/> is not positive.</exception>
    public int ThreadsOf(int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tokens);
        return _prepared.ThreadsOf(tokens);
    }

    /// <summary>Copies how many tokens each expert of a mixture was sent by all forwards so far.</summary>
    /// <param name="counts">One element for each expert of the layer's <see cref="FfnSpec.Mixture"/>; none where it has none.</param>
    /// <exception cref="ArgumentException"><paramref name="counts"/> has another length.</exception>
    public void ReadExpertTokens(Span<long> counts)
    {
        int experts = Spec.Mixture?.Experts ?? 0;
        if (counts.Length != experts)
        {
            throw new ArgumentException($"counts has {counts.Length} elements, but {Spec} has {experts} experts.", nameof(counts));
        }

        _prepared.ReadExpertTokens(counts);
    }

    /// <summary>
    /// Runs rows of zeros in every mode that the layer has, so that the first forwards of these token counts need not make what later ones find:
    /// memory, plans of products, recorded launches. With <see cref="FfnEngineOptions.Autotune"/>, measures first which algorithms are the fastest.
    /// </summary>
    /// <param name="tokens">Token counts, positive and in any order: the largest is run first, since memory that grows outdates what was recorded in less.</param>
    /// <exception cref="ArgumentOutOfRangeException">A count is not positive, or its rows are longer than an array can be.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its engine was disposed.</exception>
    public void Warmup(params ReadOnlySpan<int> tokens)
    {
        Tune(tokens);
        foreach (int count in tokens.ToArray().OrderDescending())
        {
            float[] input = new float[count * Spec.InputWidth];
            float[] output = new float[count * Spec.OutputWidth];
            for (int run = 0; run < Engine.Backend.WarmupRuns; run++)
            {
                RunModes(input, output);
            }
        }
    }

    /// <summary>
    /// With <see cref="FfnEngineOptions.Autotune"/>, measures which algorithms are the fastest for these token counts, in every mode, and lets
    /// later forwards run by them; without it, nothing. Part of <see cref="Warmup"/>.
    /// </summary>
    /// <param name="tokens">Token counts, positive and in any order.</param>
    /// <exception cref="ArgumentOutOfRangeException">A count is not positive, or its rows are longer than an array can be.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its engine was disposed.</exception>
    public void Tune(params ReadOnlySpan<int> tokens)
    {
        foreach (int count in tokens)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count, nameof(tokens));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Array.MaxLength / Math.Max(Spec.InputWidth, Spec.OutputWidth), nameof(tokens));
        }

        foreach (int count in tokens)
        {
            ThrowIfDisposed();
            _prepared.Tune(count);
        }
    }

    /// <summary>y = FFN(x).</summary>
    /// <param name="input">x, <c>[tokens, InputWidth]</c>.</param>
    /// <param name="output">y, <c>[tokens, OutputWidth]</c>; may be the input itself.</param>
    /// <exception cref="ArgumentException">A length does not fit the layer, or spans overlap in part.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its engine was disposed.</exception>
    public void Forward(ReadOnlySpan<float> input, Span<float> output) =>
        Forward(Rows(input, Spec.InputWidth, nameof(input)), Rows(output, Spec.OutputWidth, nameof(output)));

    /// <inheritdoc cref="Forward(ReadOnlySpan{float}, Span{float})"/>
    public void Forward(ReadOnlySpan2D<float> input, Span2D<float> output) =>
        Run(new FfnRows { Input = input, Output = output, Mode = FfnMode.Ffn });

    /// <summary>y = residual + FFN(x).</summary>
    /// <param name="input">x, <c>[tokens, InputWidth]</c>.</param>
    /// <param name="residual">What is added, <c>[tokens, OutputWidth]</c>; may be the input itself.</param>
    /// <param name="output">y, <c>[tokens, OutputWidth]</c>; may be the input or the residual itself.</param>
    /// <exception cref="ArgumentException">A length does not fit the layer, or spans overlap in part.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its engine was disposed.</exception>
    public void ForwardResidual(ReadOnlySpan<float> input, ReadOnlySpan<float> residual, Span<float> output) => ForwardResidual(
        Rows(input, Spec.InputWidth, nameof(input)),
        Rows(residual, Spec.OutputWidth, nameof(residual)),
        Rows(output, Spec.OutputWidth, nameof(output)));

    /// <inheritdoc cref="ForwardResidual(ReadOnlySpan{float}, ReadOnlySpan{float}, Span{float})"/>
    public void ForwardResidual(ReadOnlySpan2D<float> input, ReadOnlySpan2D<float> residual, Span2D<float> output) =>
        Run(new FfnRows { Input = input, Residual = residual, Output = output, Mode = FfnMode.Residual });

    /// <summary>The feed-forward half of a transformer block: y = post(x + branch(FFN(pre(x)))), each norm where the layer has it.</summary>
    /// <param name="input">x, <c>[tokens, d_model]</c>.</param>
    /// <param name="output">y, <c>[tokens, d_model]</c>; may be the input itself.</param>
    /// <exception cref="ArgumentException">A length does not fit the layer, or spans overlap in part.</exception>
    /// <exception cref="NotSupportedException">The layer has no such half; <see cref="FfnSpec.WhyNoBlock"/> says why.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its engine was disposed.</exception>
    public void ForwardBlock(ReadOnlySpan<float> input, Span<float> output) =>
        ForwardBlock(Rows(input, Spec.InputWidth, nameof(input)), Rows(output, Spec.OutputWidth, nameof(output)));

    /// <inheritdoc cref="ForwardBlock(ReadOnlySpan{float}, Span{float})"/>
    public void ForwardBlock(ReadOnlySpan2D<float> input, Span2D<float> output) =>
        Run(new FfnRows { Input = input, Output = output, Mode = FfnMode.Block });

    /// <summary>Any mode, without holding the caller's thread: on a GPU nobody waits, on a CPU a thread of the pool computes, or the caller's where that takes less than handing over.</summary>
    /// <param name="mode">What is computed; the residual of <see cref="FfnMode.Residual"/> is the input.</param>
    /// <param name="input">x, <c>[tokens, InputWidth]</c>; must not change before the task is done.</param>
    /// <param name="output">y, <c>[tokens, OutputWidth]</c>; may be the input itself.</param>
    /// <param name="cancellationToken">Ends the forward while it waits for its turn or before it is launched; what is launched runs to its end.</param>
    /// <returns>Done when the output is written. To be awaited once.</returns>
    /// <exception cref="ArgumentException">A length does not fit the layer, or the memories overlap in part.</exception>
    /// <exception cref="NotSupportedException">The layer has no block.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before it was launched.</exception>
    /// <exception cref="DeviceFailedException">The GPU has failed, now or before.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its engine was disposed.</exception>
    public ValueTask ForwardAsync(
        FfnMode mode, ReadOnlyMemory<float> input, Memory<float> output, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        FfnRowsGuard.Check(Spec, RowsOf(Spec, mode, input.Span, output.Span));
        var rows = new FfnMemoryRows
        {
            Input = input,
            Output = output,
            InputWidth = Spec.InputWidth,
            OutputWidth = Spec.OutputWidth,
            Mode = mode,
        };
        return _prepared.RunAsync(rows, cancellationToken);
    }

    /// <summary>
    /// Any mode, on the tokens of every rank at once: each of the ranks that the layer is cut over (<see cref="FfnEngineOptions.Parallel"/>)
    /// calls this with its own, in the same order of layers, and gets its own answer. One rank alone runs its rows as any other forward does.
    /// </summary>
    /// <remarks>A group uses either this or <see cref="FfnEngine.Follow"/>. Ranks may have different numbers of tokens.</remarks>
    /// <param name="mode">What is computed, the same on every rank; the residual of <see cref="FfnMode.Residual"/> is the input.</param>
    /// <param name="input">x, <c>[tokens, InputWidth]</c>; none where this rank has no tokens.</param>
    /// <param name="output">y, <c>[tokens, OutputWidth]</c>; may be the input itself.</param>
    /// <exception cref="ArgumentException">
    /// A length does not fit the layer, or the spans overlap in part: the other ranks then wait in vain. Or a token of this rank cannot be routed
    /// to experts; the others then have their answers.
    /// </exception>
    /// <exception cref="NotSupportedException">The layer has no block.</exception>
    /// <exception cref="CollectiveFailedException">A rank failed, or did not come within <see cref="FfnEngineOptions.ParallelSeconds"/>.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its engine was disposed.</exception>
    public void ForwardTogether(FfnMode mode, ReadOnlySpan<float> input, Span<float> output)
    {
        FfnRows rows = RowsOf(Spec, mode, input, output);
        ThrowIfDisposed();
        FfnRowsGuard.Check(Spec, rows);
        _prepared.RunTogether(rows);
    }

    /// <summary>Any mode, looked at from inside: with the inner values, the times of the steps, or both. Slower than the plain forwards.</summary>
    /// <param name="mode">What is computed; the residual of <see cref="FfnMode.Residual"/> is the input.</param>
    /// <param name="input">x, <c>[tokens, InputWidth]</c>.</param>
    /// <param name="output">y, <c>[tokens, OutputWidth]</c>; may be the input itself.</param>
    /// <param name="trace">Receives the inner values; made for this layer and these tokens.</param>
    /// <param name="profile">Is added the times of the steps.</param>
    /// <exception cref="ArgumentException">A length does not fit the layer, spans overlap in part, or the trace is for something else.</exception>
    /// <exception cref="NotSupportedException">The layer has no block.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its engine was disposed.</exception>
    public void Inspect(
        FfnMode mode, ReadOnlySpan<float> input, Span<float> output, FfnTrace? trace = null, FfnProfile? profile = null) =>
        Run(RowsOf(Spec, mode, input, output, trace, profile));

    /// <summary>
    /// y = FFN(x) on rows in a GPU's memory, queued on a stream; returns at once. A mixture of experts waits until its tokens are routed.
    /// </summary>
    /// <param name="stream">A stream of the layer's engine.</param>
    /// <param name="input">x, <c>[tokens, InputWidth]</c>.</param>
    /// <param name="output">y, <c>[tokens, OutputWidth]</c>; may be the input itself.</param>
    /// <exception cref="ArgumentException">Rows do not fit the layer, are no memory of the GPU, or overlap in part.</exception>
    /// <exception cref="DeviceFailedException">The GPU has failed, now or before.</exception>
    /// <exception cref="ObjectDisposedException">The layer, the stream or the engine was disposed.</exception>
    public void Forward(FfnDeviceStream stream, FfnDeviceRows input, FfnDeviceRows output) =>
        Run(stream, new DeviceForwardRows { Input = input, Output = output, Mode = FfnMode.Ffn });

    /// <summary>y = residual + FFN(x) on rows in a GPU's memory, queued on a stream; returns at once.</summary>
    /// <param name="stream">A stream of the layer's engine.</param>
    /// <param name="input">x, <c>[tokens, InputWidth]</c>.</param>
    /// <param name="residual">What is added, <c>[tokens, OutputWidth]</c>; may be the input itself.</param>
    /// <param name="output">y, <c>[tokens, OutputWidth]</c>; may be the input or the residual itself.</param>
    /// <inheritdoc cref="Forward(FfnDeviceStream, FfnDeviceRows, FfnDeviceRows)" path="/exception"/>
    public void ForwardResidual(FfnDeviceStream stream, FfnDeviceRows input, FfnDeviceRows residual, FfnDeviceRows output) =>
        Run(stream, new DeviceForwardRows { Input = input, Residual = residual, Output = output, Mode = FfnMode.Residual });

    /// <summary>The feed-forward half of a transformer block on rows in a GPU's memory, queued on a stream; returns at once.</summary>
    /// <param name="stream">A stream of the layer's engine.</param>
    /// <param name="input">x, <c>[tokens, d_model]</c>.</param>
    /// <param name="output">y, <c>[tokens, d_model]</c>; may be the input itself.</param>
    /// <exception cref="NotSupportedException">The layer has no block.</exception>
    /// <inheritdoc cref="Forward(FfnDeviceStream, FfnDeviceRows, FfnDeviceRows)" path="/exception"/>
    public void ForwardBlock(FfnDeviceStream stream, FfnDeviceRows input, FfnDeviceRows output) =>
        Run(stream, new DeviceForwardRows { Input = input, Output = output, Mode = FfnMode.Block });

    /// <summary>Frees the weights, after the forwards in flight.</summary>
    public void Dispose()
    {
        // Said here as well: where forwards never pause, references to the weights never run out, and would be given on and on.
        _disposed = true;
        _prepared.Dispose();
    }

    internal ILoadedLayer Prepared => _prepared;

    internal void ThrowIfDisposed()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ObjectDisposedException.ThrowIf(_engine.IsDisposed, _engine);
    }

    internal static FfnRows RowsOf(
        FfnSpec spec, FfnMode mode, ReadOnlySpan<float> input, Span<float> output, FfnTrace? trace = null, FfnProfile? profile = null)
    {
        ReadOnlySpan2D<float> rows = Rows(input, spec.InputWidth, nameof(input));
        return new FfnRows
        {
            Input = rows,
            Residual = mode == FfnMode.Residual ? rows : default,
            Output = Rows(output, spec.OutputWidth, nameof(output)),
            Mode = mode,
            Trace = trace,
            Profile = profile,
        };
    }

    private static Span2D<float> Rows(Span<float> span, int width, string name) =>
        Span2D<float>.DangerousCreate(ref span.DangerousGetReference(), RowCount(span.Length, width, name), width, 0);

    private static ReadOnlySpan2D<float> Rows(ReadOnlySpan<float> span, int width, string name) =>
        ReadOnlySpan2D<float>.DangerousCreate(in span.DangerousGetReference(), RowCount(span.Length, width, name), width, 0);

    private static int RowCount(int length, int width, string name)
    {
        (int rows, int rest) = Math.DivRem(length, width);
        return rest == 0
            ? rows
            : throw new ArgumentException($"{name} has {length} elements, which is no whole number of rows of {width}.", name);
    }

    private void RunModes(float[] input, float[] output)
    {
        foreach (FfnMode mode in Spec.Modes)
        {
            Run(RowsOf(Spec, mode, input, output));
        }
    }

    private void Run(FfnDeviceStream stream, in DeviceForwardRows rows)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ThrowIfDisposed();
        stream.Run(this, _prepared, rows);
    }

    private void Run(in FfnRows rows)
    {
        ThrowIfDisposed();
        FfnRowsGuard.Check(Spec, rows);
        _prepared.Run(rows);
    }
}
