using System.Diagnostics;
using System.Runtime.CompilerServices;
using NativeFfn.Backends.Cpu.Forward;
using NativeFfn.Backends.Cpu.Team;
using NativeFfn.Backends.Cpu.Weights;
using NativeFfn.Backends.Storage;

namespace NativeFfn.Backends.Cpu;

/// <summary>A layer whose weights are in native memory, run by whichever forward state is free.</summary>
/// <param name="weights">The weights.</param>
/// <param name="forwards">Forward states.</param>
/// <param name="team">The threads that share a forward.</param>
/// <param name="minimumSliceWork">Multiply-adds that are worth another thread.</param>
internal sealed class CpuLoadedLayer(CpuLayerWeights weights, ObjectSlots<CpuForward> forwards, WorkerTeam team, long minimumSliceWork) : ILoadedLayer
{
    // Multiply-adds that take a thread a quarter of a millisecond at the least, many times what waking a helper takes: to try such a forward without
    // help would teach nothing, and cost a caller twice the time.
    private const long UndoubtedWork = 8 << 20;

    private readonly SharingTimes _times = new();
    private readonly long _work = WorkOfToken(weights.Spec);

    /// <inheritdoc/>
    public long WeightBytes => weights.Bytes;

    /// <inheritdoc/>
    public double QuantizationError => weights.Error.Relative;

    /// <inheritdoc/>
    public string Encodings => weights.Encodings;

    /// <inheritdoc/>
    public string Gemms => weights.Gemms;

    /// <inheritdoc/>
    public string Placement => weights.Placement;

    /// <inheritdoc/>
    public void ReadExpertTokens(Span<long> counts) => weights.Tokens?.Read(counts);

    /// <inheritdoc/>
    public int ThreadsOf(int tokens) => Shareable(tokens) is > 1 and var shared && _times.PrefersHelp(tokens) ? shared : 1;

    /// <inheritdoc/>
    public void Run(in FfnRows rows)
    {
        // A reference held for the length of the run: disposing in between frees the weights when the run is over.
        bool held = false;
        try
        {
            weights.DangerousAddRef(ref held);
            RunWithAny(rows);
        }
        finally
        {
            if (held)
            {
                weights.DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    public ValueTask RunAsync(FfnMemoryRows rows, CancellationToken cancellationToken)
    {
        // Done before a thread of the pool would have begun.
        if (rows.Tokens > 0 && _times.Of(rows.Tokens) is > 0 and var seconds && seconds <= _times.Handover)
        {
            if (cancellationToken.IsCancellationRequested)
            {
                return ValueTask.FromCanceled(cancellationToken);
            }

            try
            {
                Run(rows.Rows);
                return ValueTask.CompletedTask;
            }
            catch (Exception exception)
            {
                return ValueTask.FromException(exception);
            }
        }

        return RunOnPoolAsync(rows, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => weights.Dispose();

    // Multiply-adds of a token in the largest stage, which is what is cut.
    private static long WorkOfToken(FfnSpec spec)
    {
        long most = 0;
        foreach (FfnStage stage in spec.Stages)
        {
            most = Math.Max(most, (long)stage.InputWidth * stage.Width * stage.ProjectionCount);
        }

        return most * (spec.Mixture?.TopK ?? 1);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask RunOnPoolAsync(FfnMemoryRows rows, CancellationToken cancellationToken)
    {
        bool held = false;
        try
        {
            // From now on, and not from when the pool comes to it: the forward is in flight once the caller has its task.
            weights.DangerousAddRef(ref held);
            long given = Stopwatch.GetTimestamp();
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            long begun = Stopwatch.GetTimestamp();
            _times.HandedOver(Stopwatch.GetElapsedTime(given, begun).TotalSeconds);
            cancellationToken.ThrowIfCancellationRequested();
            if (rows.Tokens > 0)
            {
                RunWithAny(rows.Rows);
                if (Shareable(rows.Tokens) == 1)
                {
                    _times.Measured(rows.Tokens, asked: false, helped: false, Stopwatch.GetElapsedTime(begun).TotalSeconds);
                }
            }
        }
        finally
        {
            if (held)
            {
                weights.DangerousRelease();
            }
        }
    }

    // Threads that the work is enough for.
    private int Shareable(int tokens) => (int)Math.Clamp(_work * tokens / minimumSliceWork, 1, team.Threads);

    private void RunWithAny(in FfnRows rows)
    {
        int tokens = rows.Input.Height;
        if (tokens == 0)
        {
            return;
        }

        if (Shareable(tokens) == 1)
        {
            RunWithAny(rows, takesHelp: false);
            return;
        }

        long start = Stopwatch.GetTimestamp();
        bool isFree = team.Callers.Enter(start);
        try
        {
            // Where no processor is idle there is nothing to choose, and nothing to learn; callers may leave while a long forward runs.
            bool isLong = _work * tokens >= UndoubtedWork;
            bool takesHelp = isLong || (isFree && _times.TakesHelp(tokens));
            bool hadHelp = RunWithAny(rows, takesHelp);
            if (isFree && !isLong)
            {
                _times.Measured(tokens, takesHelp, hadHelp, Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
        }
        finally
        {
            team.Callers.Leave();
        }
    }

    private bool RunWithAny(in FfnRows rows, bool takesHelp)
    {
        CpuForward forward = forwards.Take();
        try
        {
            return forward.Run(weights, rows, takesHelp);
        }
        finally
        {
            forwards.Return(forward);
        }
    }
}
