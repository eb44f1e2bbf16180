using System.Collections.Immutable;
using NativeFfn.Backends;

namespace NativeFfn;

/// <summary>Layers that run one after the other on the same rows; on a GPU with one copy there and one back.</summary>
/// <remarks>The chain does not own its layers. Safe for use by several threads at once, as the layers are.</remarks>
/// <example>
/// <code>
/// using FfnLayer first = engine.LoadLayer(checkpoint, 0);
/// using FfnLayer second = engine.LoadLayer(checkpoint, 1);
/// FfnChain chain = engine.CreateChain(first, second);
/// float[] y = new float[x.Length];
/// chain.Forward(FfnMode.Block, x, y);       // one block behind the other, without a copy in between
/// </code>
/// </example>
public sealed class FfnChain
{
    private readonly FfnEngine _engine;
    private readonly ILoadedLayer[] _prepared;

    internal FfnChain(FfnEngine engine, ReadOnlySpan<FfnLayer> layers)
    {
        if (layers.IsEmpty)
        {
            throw new ArgumentException("A chain has at least one layer.", nameof(layers));
        }

        int width = layers[0].Spec.InputWidth;
        foreach (FfnLayer layer in layers)
        {
            if (layer.Engine != engine)
            {
                throw new ArgumentException($"{layer.Spec} is of another engine than the chain.", nameof(layers));
            }

            if (layer.Spec.InputWidth != width || !layer.Spec.KeepsWidth || layer.Spec.Stages.Length < 2)
            {
                throw new ArgumentException(
                    $"{layer.Spec} turns {layer.Spec.InputWidth} elements into {layer.Spec.OutputWidth}; the layers of a chain have a hidden stage and keep one width, here {width}.",
                    nameof(layers));
            }
        }

        _engine = engine;
        Layers = [.. layers];
        _prepared = [.. Layers.Select(static layer => layer.Prepared)];
    }

    /// <summary>The layers in the order in which they run.</summary>
    public ImmutableArray<FfnLayer> Layers { get; }

    /// <summary>y = layerₙ(… layer₁(x)), each in the given mode; in <see cref="FfnMode.Residual"/> a layer's residual is its own input.</summary>
    /// <param name="mode">What each layer computes.</param>
    /// <param name="input">x, <c>[tokens, d_model]</c>.</param>
    /// <param name="output">y, <c>[tokens, d_model]</c>; may be the input itself.</param>
    /// <exception cref="ArgumentException">A length does not fit the layers, or spans overlap in part.</exception>
    /// <exception cref="NotSupportedException">A layer has no block.</exception>
    /// <exception cref="ObjectDisposedException">A layer or the engine was disposed.</exception>
    public void Forward(FfnMode mode, ReadOnlySpan<float> input, Span<float> output)
    {
        FfnRows rows = FfnLayer.RowsOf(Layers[0].Spec, mode, input, output);
        foreach (FfnLayer layer in Layers)
        {
            layer.ThrowIfDisposed();
            FfnRowsGuard.Check(layer.Spec, rows);
        }

        _engine.RunChain(_prepared, rows);
    }
}
