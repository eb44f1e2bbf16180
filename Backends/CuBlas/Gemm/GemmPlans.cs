using System.Collections.Concurrent;
using System.Collections.Immutable;
using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.CuBlasLt;

namespace NativeFfn.Backends.CuBlas.Gemm;

/// <summary>A network's GEMMs, each planned when it is first met and kept: asking cuBLASLt takes as long as a small matmul.</summary>
/// <remarks>Safe for use by several threads at once; reading a plan that is there takes no lock and allocates nothing.</remarks>
internal sealed class GemmPlans : IDisposable
{
    // Of some kilobytes each. A server meets as many as it has token counts; a program that never stops meeting others plans them anew each time.
    private const int MostKept = 4096;

    private readonly DeviceFormat _format;
    private readonly ImmutableArray<DeviceStage> _stages;
    private readonly CuBlasLtLibrary _library;
    private readonly AlgorithmFile _file;
    private readonly ConcurrentDictionary<GemmKey, GemmPlan?> _plans = new();
    private readonly ConcurrentBag<GemmPlan> _replaced = [];
    private int _generation;
    private int _kept;

    public GemmPlans(DeviceFormat format, ImmutableArray<DeviceStage> stages, CuBlasLtLibrary library, AlgorithmFile file)
    {
        _format = format;
        _stages = stages;
        _library = library;
        _file = file;
    }

    /// <summary>The plan of a matmul, or null where cuBLASLt has no algorithm for it.</summary>
    /// <param name="slot">Whose handle is asked.</param>
    /// <param name="key">The matmul.</param>
    public PlanLease Rent(StreamSlot slot, in GemmKey key)
    {
        if (_plans.TryGetValue(key, out GemmPlan? plan))
        {
            return new PlanLease(plan, isKept: true);
        }

        plan = Make(slot, key);
        if (Volatile.Read(ref _kept) >= MostKept)
        {
            return new PlanLease(plan, isKept: false);
        }

        GemmPlan? kept = _plans.GetOrAdd(key, plan);
        if (kept != plan)
        {
            plan?.Dispose();
        }
        else
        {
            Interlocked.Increment(ref _kept);
        }

        return new PlanLease(kept, isKept: true);
    }

    /// <summary>Changes whenever a plan was replaced, so that what was recorded before is not what runs now.</summary>
    public int Generation => Volatile.Read(ref _generation);

    /// <summary>Times the algorithms that cuBLASLt proposes for a matmul, unless the best is known, and plans it by that; keeps it here and on disk.</summary>
    /// <param name="slot">Where they are timed.</param>
    /// <param name="key">The matmul.</param>
    /// <param name="run">Runs a plan on memory of the caller's choice.</param>
    public void Tune(StreamSlot slot, in GemmKey key, Action<GemmPlan> run)
    {
        MatmulShape shape = ShapeOf(key);
        Matmul matmul = Matmul.Create(_library, shape);
        bool isPut = false;
        try
        {
            isPut = (Known(slot, matmul, shape) ?? Autotune(slot, matmul, shape, run)) is { } best && Put(key, new GemmPlan(matmul, best));
        }
        finally
        {
            if (!isPut)
            {
                matmul.Dispose();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (GemmPlan? plan in _plans.Values.Concat(_replaced))
        {
            plan?.Dispose();
        }

        _plans.Clear();
    }

    private GemmPlan? Make(StreamSlot slot, in GemmKey key)
    {
        // Some versions of cuBLASLt choose no algorithm then.
        slot.RequireNoCapture("a plan of a GEMM");
        MatmulShape shape = ShapeOf(key);
        Matmul matmul = Matmul.Create(_library, shape);
        try
        {
            if (Known(slot, matmul, shape) is { } tuned)
            {
                return new GemmPlan(matmul, tuned);
            }

            Span<MatmulAlgorithm> found = stackalloc MatmulAlgorithm[1];
            if (matmul.Find(slot.Library, slot.Workspace.Bytes, found) == 0)
            {
                matmul.Dispose();
                return null;
            }

            return new GemmPlan(matmul, found[0]);
        }
        catch
        {
            matmul.Dispose();
            throw;
        }
    }

    // What was measured once, here or by an earlier process, as long as cuBLASLt accepts it.
    private MatmulAlgorithm? Known(StreamSlot slot, Matmul matmul, in MatmulShape shape) =>
        _file.Read(shape) is { } tuned && matmul.Accepts(slot.Library, ref tuned) && tuned.WorkspaceBytes <= slot.Workspace.Bytes ? tuned : null;

    private MatmulAlgorithm? Autotune(StreamSlot slot, Matmul matmul, in MatmulShape shape, Action<GemmPlan> run)
    {
        MatmulAlgorithm? fastest = AlgorithmAutotuner.Fastest(slot, matmul, run);
        if (fastest is { } best)
        {
            _file.Add(shape, best);
        }

        return fastest;
    }

    // False where the plan that is there runs the same algorithm. Other threads may be planning the same matmul.
    private bool Put(in GemmKey key, GemmPlan tuned)
    {
        while (true)
        {
            if (!_plans.TryGetValue(key, out GemmPlan? plan))
            {
                if (_plans.TryAdd(key, tuned))
                {
                    Interlocked.Increment(ref _kept);
                    return true;
                }
            }
            else if (plan is not null && plan.Runs(tuned.Algorithm))
            {
                return false;
            }
            else if (_plans.TryUpdate(key, tuned, plan))
            {
                if (plan is not null)
                {
                    // Another thread may be running it.
                    _replaced.Add(plan);
                }

                Interlocked.Increment(ref _generation);
                return true;
            }
        }
    }

    private MatmulShape ShapeOf(in GemmKey key)
    {
        DeviceStage stage = _stages[key.Stage];
        DeviceFormat format = _format;
        bool isResult = key.Use is GemmUse.Result or GemmUse.BiasedResult;
        bool isActivated = key.Use == GemmUse.Operands;

        // What leaves the device's own memory has no padding, so that its rows may lie as close as they like.
        bool isPadded = !isResult || format.IsScaled;
        return new MatmulShape
        {
            Rows = isPadded ? stage.Rows : stage.Shape.Width,
            Columns = stage.Columns,
            Tokens = key.Tokens,
            WeightStride = stage.Columns,
            InputStride = key.InputStride,
            OutputStride = key.OutputStride,
            ResidualStride = key.ResidualStride,
            Operand = format.Operand,
            Output = isResult ? CudaDataType.Float32 : format.Product,
            Compute = format.Compute,
            Epilogue = isActivated ? EpilogueOf(stage.Shape) : key.Use == GemmUse.BiasedResult ? CublasLtEpilogue.Bias : CublasLtEpilogue.Default,
            Bias = isActivated ? stage.OperandBias
                : key.Use == GemmUse.BiasedResult ? stage.Bias.Slice(0, (long)stage.Shape.Width * sizeof(float))
                : default,
            BiasType = isActivated ? format.Operand : CudaDataType.Float32,
            AlignmentBytes = key.Alignment,
        };
    }

    private static CublasLtEpilogue EpilogueOf(FfnStage stage) => (stage.Kind.Activation == Activation.GeluTanh, stage.HasBias) switch
    {
        (true, false) => CublasLtEpilogue.Gelu,
        (true, true) => CublasLtEpilogue.GeluBias,
        (_, true) => CublasLtEpilogue.Bias,
        _ => CublasLtEpilogue.Default,
    };
}

/// <summary>A plan for as long as it is used.</summary>
internal readonly ref struct PlanLease
{
    private readonly bool _isKept;

    public PlanLease(GemmPlan? plan, bool isKept)
    {
        Plan = plan;
        _isKept = isKept;
    }

    /// <summary>The plan; null where cuBLASLt has no algorithm.</summary>
    public GemmPlan? Plan { get; }

    public void Dispose()
    {
        if (!_isKept)
        {
            Plan?.Dispose();
        }
    }
}
