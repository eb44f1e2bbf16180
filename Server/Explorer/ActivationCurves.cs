using System.Collections.Concurrent;

namespace NativeFfn.Server.Explorer;

/// <summary>Activation curves computed by the library itself: a stage of width 1 with the weight 1 is its activation.</summary>
internal sealed class ActivationCurves : IDisposable
{
    // Enough that a curve drawn over a page's width looks smooth.
    private const int Points = 257;

    // Values closer to zero than this would show a straight line.
    private const float LeastBound = 1;

    // Room on both sides of the outermost values.
    private const float Margin = 1.15f;

    private readonly ConcurrentDictionary<(FfnEngine, Activation), FfnLayer> _layers = new();

    /// <summary>The curve over a symmetric range around the values.</summary>
    public ActivationCurve Over(FfnEngine engine, Activation activation, ReadOnlySpan<float> values)
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
        _layers.GetOrAdd((engine, activation), static key => Create(key.Item1, key.Item2)).Forward(x, y);
        return new ActivationCurve(x, y);
    }

    public void Dispose()
    {
        foreach (FfnLayer layer in _layers.Values)
        {
            layer.Dispose();
        }
    }

    private static FfnLayer Create(FfnEngine engine, Activation activation)
    {
        FfnSpec spec = FfnSpec.Stack(new FfnStage(new FfnKind(false, activation), 1, 1, false));
        return engine.CreateLayer(spec, new FfnMemoryWeights(spec).Set(spec.Tensors[0].Name, new float[] { 1 }));
    }
}
