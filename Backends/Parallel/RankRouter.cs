using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Parallel;

/// <summary>Chooses the experts of a rank's own tokens, so that it knows which ranks have them.</summary>
internal sealed unsafe class RankRouter : IDisposable
{
    private readonly MixtureSpec _mixture;
    private readonly int _width;
    private readonly NativeBuffer _memory;
    private readonly float* _bias;
    private readonly float* _selectionBias;
    private readonly float* _logits;

    /// <summary>Reads the router's weights.</summary>
    /// <param name="spec">A mixture.</param>
    /// <param name="source">Its weights.</param>
    public RankRouter(FfnSpec spec, IFfnWeightSource source)
    {
        (_mixture, _width) = (spec.Mixture!, spec.InputWidth);
        int experts = _mixture.Experts;
        _memory = new NativeBuffer(((long)experts * _width) + (3L * experts), $"The router of {spec}");
        float* place = _memory.Pointer;
        Read(FfnTensorRole.RouterWeight, experts * _width);
        _logits = place;
        place += experts;
        _bias = _mixture.HasRouterBias ? Read(FfnTensorRole.RouterBias, experts) : null;
        _selectionBias = _mixture.HasSelectionBias ? Read(FfnTensorRole.RouterSelectionBias, experts) : null;

        float* Read(FfnTensorRole role, int elements)
        {
            float* start = place;
            source.ReadRows(spec.Find(new TensorKey(role))!, 0, new Span<float>(start, elements));
            place += elements;
            return start;
        }
    }

    /// <summary>Chooses a token's experts, best first.</summary>
    /// <param name="row">The token's row as the experts read it.</param>
    /// <param name="experts">Receives the chosen experts.</param>
    /// <param name="weights">Receives their weights.</param>
    /// <returns>False where there is no choice, as a logit is not finite.</returns>
    public bool TryChoose(float* row, Span<int> experts, Span<float> weights)
    {
        for (int expert = 0; expert < _mixture.Experts; expert++)
        {
            _logits[expert] = RowKernel.Dot(_memory.Pointer + ((long)expert * _width), row, _width);
        }

        return Router.TryChoose(_mixture, new Span<float>(_logits, _mixture.Experts), Numbers(_bias), Numbers(_selectionBias), experts, weights);
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    private ReadOnlySpan<float> Numbers(float* numbers) => numbers == null ? [] : new ReadOnlySpan<float>(numbers, _mixture.Experts);
}
