using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>
/// Rows beside a page that may not be touched: one element read or written too far, by C# or by a native library, stops the test process.
/// </summary>
public class GuardPageTests : StorageTests
{
    private static readonly NormSpec LayerNorm = new(NormKind.Layer, 1e-5f);

    private static readonly (FfnSpec Spec, int Tokens)[] Shapes =
    [
        (FfnSpec.Create(FfnKind.SwiGlu, 1, 1, bias: true).WithNorms(LayerNorm), 1),
        (FfnSpec.Create(FfnKind.Gelu, 3, 5, bias: true).WithNorms(post: LayerNorm), 1),
        (FfnSpec.Create(FfnKind.SwiGlu, 17, 31).WithNorms(LayerNorm), 7),
        (FfnSpec.Create(FfnKind.GeGluTanh, 33, 15, bias: true).WithNorms(LayerNorm, LayerNorm, LayerNorm), 2),
        (FfnSpec.Create(FfnKind.Relu, 63, 129), 13),
        (FfnSpec.Create(FfnKind.Silu, 100, 65, bias: true).WithNorms(LayerNorm), 33),
        (FfnSpec.Create(FfnKind.SwiGlu, 129, 343), 65),
        (FfnSpec.Stack(new FfnStage(FfnKind.Silu, 9, 9, true)), 5),
        (FfnSpec.Create(FfnKind.SwiGlu, 17, 9).WithNorms(LayerNorm).WithExperts(new MixtureSpec(5, 2) { SharedDFf = 3, HasSharedGate = true }), 1),
        (FfnSpec.Create(FfnKind.Gelu, 33, 15, bias: true).WithExperts(new MixtureSpec(3, 1)), 29),
    ];

    public GuardPageTests(BackendKind backend, FfnPrecision precision)
        : base(backend, precision)
    {
    }

    [Test]
    public void Nothing_outside_the_rows_is_touched(
        [Range(0, 9)] int index, [Values] FfnMode mode, [Values] GuardSide side, [Values(1, 3)] int threads)
    {
        (FfnSpec spec, int tokens) = Shapes[index];
        using FfnLayer layer = Engine(threads).CreateLayer(spec, RandomLayers.Gaussian(spec, 300 + index));
        float[] x = RandomLayers.Rows(tokens, spec.InputWidth, 301);
        float[] r = RandomLayers.Rows(tokens, spec.OutputWidth, 302);
        float[] expected = Forward(layer, mode, x, r);

        using var input = GuardedBuffer.Of(x, side);
        using var residual = GuardedBuffer.Of(r, side);
        using var output = new GuardedBuffer(tokens * spec.OutputWidth, side);
        output.Span.Fill(float.NaN);
        Forward(layer, mode, input.Span, residual.Span, output.Span);
        Tolerances.AssertClose(output.Span, Estimate.Exact(expected), Tolerances.Golden, "beside a guard page");
    }

    [Test]
    public void Weights_are_read_to_their_end_and_no_further([Values] GuardSide side)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 17, 31);
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 310);
        using var gate = GuardedBuffer.Of(weights.Get("gate.weight").Span, side);
        using var up = GuardedBuffer.Of(weights.Get("up.weight").Span, side);
        using var down = GuardedBuffer.Of(weights.Get("down.weight").Span, side);
        using FfnLayer layer = Engine(1).CreateLayer(spec, new FfnWeights { Gate = gate.Span, Up = up.Span, Down = down.Span });
        float[] input = RandomLayers.Rows(3, 17, 311);
        Tolerances.AssertClose(
            Forward(layer, FfnMode.Ffn, input),
            Oracle.Run(spec, StoredWeights.Of(Precision, spec, weights), FfnMode.Ffn, input).Output, Tolerances.Of(spec, Precision), "guarded weights");
    }
}
