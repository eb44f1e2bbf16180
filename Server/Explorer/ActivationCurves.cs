using System.Collections.Concurrent;

namespace NativeFfn.Server.Explorer;

/// <summary>Activation curves computed by the library itself: a stage of width 1 with the weight 1 is its activation.</summary>
internal sealed class ActivationCurves : IDisposable
{
    // Enough that a curve drawn over a page's width looks smooth.
    private const int Points = 257;

    // Closer to zero, an activation would show as a straight line.
    private const float LeastBound = 3;

    // Room on both sides of the outermost values.
    private const float Margin = 1.15f;

    // Of activations without numbers of their own, of which there are few.
    private readonly ConcurrentDictionary<(FfnEngine, Activation), FfnLayer> _layers = new();

    /// <summary>The curve over a symmetric range around the values.</summary>
    public ActivationCurve Over(FfnEngine engine, FfnKind kind, ReadOnlySpan<float> values)
    {
        float bound = LeastBound;
        foreach (float value in values)
        {
            if (float.IsFinite(value))
            {
                bound = Math.Max(bound, Math.Min(float.MaxValue, Margin * Math.Abs(value)));
            }
        }

        float[] x = new float[Points];
        for (int i = 0; i < Points; i++)
        {
            x[i] = bound * (((2f * i) / (Points - 1)) - 1f);
        }

        float[] y = new float[Points];
        if (kind.Parameters is { } parameters)
        {
            // The sieve before an activation looks at a whole row, and is no part of its curve.
            using FfnLayer own = Create(engine, new FfnKind(false, kind.Activation, parameters with { SparsityMultiplier = 0 }));
            own.Forward(x, y);
        }
        else
        {
            _layers.GetOrAdd((engine, kind.Activation), static key => Create(key.Item1, new FfnKind(false, key.Item2))).Forward(x, y);
        }

        return new ActivationCurve(x, y);
    }

    public void Dispose()
    {
        foreach (FfnLayer layer in _layers.Values)
        {
            layer.Dispose();
        }
    }

    private static FfnLayer Create(FfnEngine engine, FfnKind kind)
    {
        FfnSpec spec = FfnSpec.Stack(new FfnStage(kind, 1, 1, false));
        return engine.CreateLayer(spec, new FfnMemoryWeights(spec).Set(spec.Tensors[0].Name, new float[] { 1 }));
    }
}
