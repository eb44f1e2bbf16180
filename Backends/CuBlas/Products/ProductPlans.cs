using System.Collections.Concurrent;
using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.CuBlasLt;

namespace NativeFfn.Backends.CuBlas.Products;

/// <summary>A layer's products, each planned when it is first met and kept: asking cuBLASLt takes as long as a small product.</summary>
/// <remarks>Safe for use by several threads at once; reading a plan that is there takes no lock and allocates nothing.</remarks>
internal sealed class ProductPlans : IDisposable
{
    // Of some kilobytes each. A server meets as many as it has token counts; a program that never stops meeting others plans them anew each time.
    private const int MostKept = 4096;

    private readonly DeviceWeights _weights;
    private readonly CuBlasLtLibrary _library;
    private readonly AlgorithmFile _file;
    private readonly ConcurrentDictionary<ProductKey, ProductPlan?> _plans = new();
    private readonly ConcurrentBag<ProductPlan> _replaced = [];
    private int _generation;
    private int _kept;

    public ProductPlans(DeviceWeights weights, CuBlasLtLibrary library, AlgorithmFile file)
    {
        _weights = weights;
        _library = library;
        _file = file;
    }

    /// <summary>The plan of a product, or null where cuBLASLt has no algorithm for it.</summary>
    /// <param name="lane">Whose handle is asked.</param>
    /// <param name="key">The product.</param>
    public PlanLease Rent(DeviceLane lane, in ProductKey key)
    {
        if (_plans.TryGetValue(key, out ProductPlan? plan))
        {
            return new PlanLease(plan, isKept: true);
        }

        plan = Make(lane, key);
        if (Volatile.Read(ref _kept) >= MostKept)
        {
            return new PlanLease(plan, isKept: false);
        }

        ProductPlan? kept = _plans.GetOrAdd(key, plan);
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

    /// <summary>Times the algorithms that cuBLASLt proposes for a product, unless the best is known, and plans it by that; keeps it here and on disk.</summary>
    /// <param name="lane">Where they are timed.</param>
    /// <param name="key">The product.</param>
    /// <param name="run">Runs a plan on memory of the caller's choice.</param>
    public void Tune(DeviceLane lane, in ProductKey key, Action<ProductPlan> run)
    {
        MatmulShape shape = ShapeOf(key);
        Matmul product = Matmul.Create(_library, shape);
        bool isPut = false;
        try
        {
            isPut = (Known(lane, product, shape) ?? Race(lane, product, shape, run)) is { } best && Put(key, new ProductPlan(product, best));
        }
        finally
        {
            if (!isPut)
            {
                product.Dispose();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ProductPlan? plan in _plans.Values.Concat(_replaced))
        {
            plan?.Dispose();
        }

        _plans.Clear();
    }

    private ProductPlan? Make(DeviceLane lane, in ProductKey key)
    {
        // Some versions of cuBLASLt choose no algorithm then.
        lane.RequireNoCapture("a plan of a product");
        MatmulShape shape = ShapeOf(key);
        Matmul product = Matmul.Create(_library, shape);
        try
        {
            if (Known(lane, product, shape) is { } tuned)
            {
                return new ProductPlan(product, tuned);
            }

            Span<MatmulAlgorithm> found = stackalloc MatmulAlgorithm[1];
            if (product.Find(lane.Library, lane.Workspace.Bytes, found) == 0)
            {
                product.Dispose();
                return null;
            }

            return new ProductPlan(product, found[0]);
        }
        catch
        {
            product.Dispose();
            throw;
        }
    }

    // What was measured once, here or by an earlier process, as long as cuBLASLt accepts it.
    private MatmulAlgorithm? Known(DeviceLane lane, Matmul product, in MatmulShape shape) =>
        _file.Read(shape) is { } tuned && product.Accepts(lane.Library, ref tuned) && tuned.WorkspaceBytes <= lane.Workspace.Bytes ? tuned : null;

    private MatmulAlgorithm? Race(DeviceLane lane, Matmul product, in MatmulShape shape, Action<ProductPlan> run)
    {
        MatmulAlgorithm? winner = AlgorithmRace.Winner(lane, product, run);
        if (winner is { } best)
        {
            _file.Add(shape, best);
        }

        return winner;
    }

    // False where the plan that is there runs the same algorithm. Other threads may be planning the same product.
    private bool Put(in ProductKey key, ProductPlan tuned)
    {
        while (true)
        {
            if (!_plans.TryGetValue(key, out ProductPlan? plan))
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

    private MatmulShape ShapeOf(in ProductKey key)
    {
        DeviceStage stage = _weights.Stages[key.Stage];
        DeviceFormat format = _weights.Format;
        bool isResult = key.Use is ProductUse.Result or ProductUse.BiasedResult;
        bool isActivated = key.Use == ProductUse.Operands;

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
            Epilogue = isActivated ? EpilogueOf(stage.Shape) : key.Use == ProductUse.BiasedResult ? CublasLtEpilogue.Bias : CublasLtEpilogue.Default,
            Bias = isActivated ? stage.OperandBias
                : key.Use == ProductUse.BiasedResult ? stage.Bias.Slice(0, (long)stage.Shape.Width * sizeof(float))
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

    public PlanLease(ProductPlan? plan, bool isKept)
    {
        Plan = plan;
        _isKept = isKept;
    }

    /// <summary>The plan; null where cuBLASLt has no algorithm.</summary>
    public ProductPlan? Plan { get; }

    public void Dispose()
    {
        if (!_isKept)
        {
            Plan?.Dispose();
        }
    }
}
