using CommunityToolkit.HighPerformance;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>Outputs that are the input or the residual, and outputs that lie beside them.</summary>
public class InPlaceTests : StorageTests
{
    private static readonly NormSpec Rms = new(NormKind.Rms, 1e-5f);
    private static readonly NormSpec LayerNorm = new(NormKind.Layer, 1e-5f);

    private static readonly FfnSpec[] Specs =
    [
        FfnSpec.Create(FfnKind.SwiGlu, 20, 37).WithNorms(Rms),
        FfnSpec.Create(FfnKind.Gelu, 33, 65, bias: true).WithNorms(Rms, Rms, LayerNorm),
        FfnSpec.Create(FfnKind.Relu, 17, 3, bias: true).WithNorms(post: LayerNorm),
        FfnSpec.Create(FfnKind.GeGlu, 16, 48),
        FfnSpec.Stack(
            new FfnStage(FfnKind.Silu, 12, 50, true), new FfnStage(FfnKind.SwiGlu, 50, 9, false), new FfnStage(FfnKind.GeluTanh, 9, 12, true)),
    ];

    public InPlaceTests(BackendKind backend, FfnPrecision precision)
        : base(backend, precision)
    {
    }

    [Test]
    public void Output_may_be_the_input([Range(0, 4)] int index, [Values] FfnMode mode, [Values(1, 2, 33)] int tokens, [Values(1, 3)] int threads)
    {
        FfnSpec spec = Specs[index];
        using FfnLayer layer = Engine(threads).CreateLayer(spec, RandomLayers.Gaussian(spec, index));
        float[] input = RandomLayers.Rows(tokens, spec.InputWidth, 50);
        float[] residual = RandomLayers.Rows(tokens, spec.OutputWidth, 51);
        float[] expected = Forward(layer, mode, input, residual);

        float[] rows = [.. input];
        Forward(layer, mode, rows, residual, rows);
        AssertSame(rows, expected);
    }

    [Test]
    public void Output_may_be_the_residual([Range(0, 4)] int index, [Values(1, 2, 33)] int tokens, [Values(1, 3)] int threads)
    {
        FfnSpec spec = Specs[index];
        using FfnLayer layer = Engine(threads).CreateLayer(spec, RandomLayers.Gaussian(spec, index));
        float[] input = RandomLayers.Rows(tokens, spec.InputWidth, 52);
        float[] residual = RandomLayers.Rows(tokens, spec.OutputWidth, 53);
        float[] expected = Forward(layer, FfnMode.Residual, input, residual);

        layer.ForwardResidual(input, residual, residual);
        AssertSame(residual, expected);
    }

    [Test]
    public void Input_residual_and_output_may_be_one([Range(0, 4)] int index, [Values(1, 2, 33)] int tokens, [Values(1, 3)] int threads)
    {
        FfnSpec spec = Specs[index];
        using FfnLayer layer = Engine(threads).CreateLayer(spec, RandomLayers.Gaussian(spec, index));
        float[] rows = RandomLayers.Rows(tokens, spec.InputWidth, 54);
        float[] expected = Forward(layer, FfnMode.Residual, [.. rows], [.. rows]);

        layer.ForwardResidual(rows, rows, rows);
        AssertSame(rows, expected);
    }

    [Test]
    public void A_single_stage_may_write_over_its_residual([Values(1, 2, 33)] int tokens)
    {
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.Silu, 19, 19, true));
        using FfnLayer layer = Engine(2).CreateLayer(spec, RandomLayers.Gaussian(spec, 7));
        float[] input = RandomLayers.Rows(tokens, 19, 55);
        float[] residual = RandomLayers.Rows(tokens, 19, 56);
        float[] expected = Forward(layer, FfnMode.Residual, input, residual);

        layer.ForwardResidual(input, residual, residual);
        AssertSame(residual, expected);
    }

    [Test]
    public void A_single_stage_may_not_write_over_its_input([Values] FfnMode mode)
    {
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.Silu, 19, 19, true));
        using FfnLayer layer = Engine(1).CreateLayer(spec, RandomLayers.Gaussian(spec, 8));
        float[] rows = RandomLayers.Rows(3, 19, 57);
        float[] before = [.. rows];
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => Forward(layer, mode, rows, before, rows));
        Assert.That(refusal.Message, Does.Contain("input").And.Contain("in place"));
        Assert.That(rows, Is.EqualTo(before), "a refused forward writes nothing");
    }

    [Test]
    public void Columns_of_one_wider_buffer_lie_side_by_side([Values] FfnMode mode, [Values(1, 2, 33)] int tokens)
    {
        FfnSpec spec = Specs[0];
        int width = spec.DModel;
        int gap = 2 * width;
        using FfnLayer layer = Engine(2).CreateLayer(spec, RandomLayers.Gaussian(spec, 9));
        float[] input = RandomLayers.Rows(tokens, width, 58);
        float[] residual = RandomLayers.Rows(tokens, width, 59);
        float[] expected = Forward(layer, mode, input, residual);

        float[] buffer = new float[tokens * 3 * width];
        var inputs = new Span2D<float>(buffer, width, tokens, width, gap);
        var residuals = new Span2D<float>(buffer, 2 * width, tokens, width, gap);
        var outputs = new Span2D<float>(buffer, 0, tokens, width, gap);
        new ReadOnlySpan2D<float>(input, tokens, width).CopyTo(inputs);
        new ReadOnlySpan2D<float>(residual, tokens, width).CopyTo(residuals);
        switch (mode)
        {
            case FfnMode.Ffn:
                layer.Forward(inputs, outputs);
                break;
            case FfnMode.Residual:
                layer.ForwardResidual(inputs, residuals, outputs);
                break;
            default:
                layer.ForwardBlock(inputs, outputs);
                break;
        }

        using (Assert.EnterMultipleScope())
        {
            AssertSame(Contiguous(outputs), expected);
            Assert.That(Contiguous(inputs), Is.EqualTo(input), "the input is left as it was");
            Assert.That(Contiguous(residuals), Is.EqualTo(residual), "the residual is left as it was");
        }
    }

    // Where the memory lies may change how a native library splits its loops, and with it the last bits.
    private static void AssertSame(float[] actual, float[] expected) =>
        Tolerances.AssertClose(actual, Estimate.Exact(expected), Tolerances.Golden, "in place against apart");

    private static float[] Contiguous(Span2D<float> rows)
    {
        float[] values = new float[rows.Height * rows.Width];
        rows.CopyTo(values);
        return values;
    }
}
