using CsCheck;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Properties;

/// <summary>What must hold of any layer, whatever its numbers.</summary>
public class LayerPropertyTests : StorageTests
{
    private const int Samples = 60;

    // Rows are rounded before each stage of each forward.
    private const int ForwardsOfLinear = 3;
    private const int StagesOfLinear = 2;

    private static readonly FfnKind[] Kinds = [.. FfnKind.Named, FfnKind.Linear];

    private static readonly Gen<Sample> Layers = Gen.Select(
        Gen.Int[0, Kinds.Length - 1], Gen.Int[1, 40], Gen.Int[1, 70], Gen.Int[2, 24], Gen.Bool, Gen.Enum<FfnMode>(), Gen.Int[1, 3],
        static (kind, dModel, dFf, tokens, bias, mode, threads) => new Sample(Kinds[kind], dModel, dFf, tokens, bias, mode, threads));

    public LayerPropertyTests(BackendKind backend, FfnPrecision precision)
        : base(backend, precision)
    {
    }

    [Test]
    public void A_token_does_not_depend_on_the_tokens_beside_it() => Sampled((sample, layer, input) =>
    {
        float[] together = Forward(layer, sample.Mode, input);
        for (int t = 0; t < sample.Tokens; t++)
        {
            AssertSame(Forward(layer, sample.Mode, Row(input, t, sample.DModel)), Row(together, t, sample.DModel), $"{sample}, token {t}");
        }
    });

    [Test]
    public void Permuted_tokens_give_permuted_rows() => Sampled((sample, layer, input) =>
    {
        int[] order = [.. Enumerable.Range(0, sample.Tokens)];
        new Random(sample.DFf).Shuffle(order);
        float[] output = Forward(layer, sample.Mode, input);
        float[] permuted = Forward(layer, sample.Mode, Permute(input, order, sample.DModel));
        AssertSame(permuted, Permute(output, order, sample.DModel), $"{sample}");
    });

    [Test]
    public void A_batch_may_be_split_anywhere() => Sampled((sample, layer, input) =>
    {
        int split = sample.Tokens / 3 * sample.DModel;
        float[] whole = Forward(layer, sample.Mode, input);
        float[] parts = [.. Forward(layer, sample.Mode, input[..split]), .. Forward(layer, sample.Mode, input[split..])];
        AssertSame(parts, whole, $"{sample}");
    });

    [Test]
    public void The_same_rows_give_the_same_bits() => Sampled((sample, layer, input) =>
    {
        float[] first = Forward(layer, sample.Mode, input);
        Assert.That(Forward(layer, sample.Mode, input), Is.EqualTo(first), $"{sample}");
    });

    [Test]
    public void Residual_mode_is_the_network_plus_the_residual() => Sampled((sample, layer, input) =>
    {
        float[] residual = RandomLayers.Rows(sample.Tokens, sample.DModel, 21);
        float[] network = Forward(layer, FfnMode.Ffn, input);
        float[] sum = [.. network.Zip(residual, static (y, r) => y + r)];
        AssertSame(Forward(layer, FfnMode.Residual, input, residual), sum, $"{sample}");
    });

    [Test]
    public void A_linear_layer_is_linear() =>
        Gen.Select(Gen.Int[1, 40], Gen.Int[1, 70], Gen.Int[1, 20], Gen.Int[-3, 3]).Sample(
            (dModel, dFf, tokens, factor) =>
            {
                FfnSpec spec = FfnSpec.Create(FfnKind.Linear, dModel, dFf);
                using FfnLayer layer = Engine(2).CreateLayer(spec, RandomLayers.Gaussian(spec, dFf));
                float[] a = RandomLayers.Rows(tokens, dModel, 1);
                float[] b = RandomLayers.Rows(tokens, dModel, 2);
                float[] combined = [.. a.Zip(b, (x, y) => x + (factor * y))];
                float[] ofA = Forward(layer, FfnMode.Ffn, a);
                float[] ofB = Forward(layer, FfnMode.Ffn, b);
                float[] scaled = [.. ofB.Select(y => factor * y)];
                AssertSame(
                    Forward(layer, FfnMode.Ffn, combined), [.. ofA.Zip(scaled, static (x, y) => x + y)], $"{spec}, {tokens} tokens, factor {factor}",
                    ForwardsOfLinear * StagesOfLinear * StoredTokens.Loss(Precision), [.. ofA, .. scaled]);
            },
            iter: Samples,
            threads: 1);

    [Test]
    public void A_bilinear_layer_scales_with_the_square() =>
        Gen.Select(Gen.Int[1, 40], Gen.Int[1, 70], Gen.Int[1, 20]).Sample(
            (dModel, dFf, tokens) =>
            {
                FfnSpec spec = FfnSpec.Create(FfnKind.Bilinear, dModel, dFf);
                using FfnLayer layer = Engine(2).CreateLayer(spec, RandomLayers.Gaussian(spec, dFf));
                float[] x = RandomLayers.Rows(tokens, dModel, 3);
                float[] doubled = Array.ConvertAll(x, static value => -2 * value);
                float[] expected = Array.ConvertAll(Forward(layer, FfnMode.Ffn, x), static value => 4 * value);
                Assert.That(Forward(layer, FfnMode.Ffn, doubled), Is.EqualTo(expected), $"{spec}: powers of two scale without rounding");
            },
            iter: Samples,
            threads: 1);

    private void Sampled(Action<Sample, FfnLayer, float[]> check) => Layers.Sample(
        sample =>
        {
            FfnSpec spec = FfnSpec.Create(sample.Kind, sample.DModel, sample.DFf, sample.Bias).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));
            using FfnLayer layer = Engine(sample.Threads).CreateLayer(spec, RandomLayers.Gaussian(spec, sample.DFf));
            check(sample, layer, RandomLayers.Rows(sample.Tokens, sample.DModel, sample.Tokens));
        },
        iter: Samples,
        threads: 1);

    // Two float32 results of one thing: both may be off, and by as much as the largest number that was added up.
    private static void AssertSame(float[] actual, float[] expected, string what, double rounding = 0, float[]? parts = null)
    {
        double scale = Math.Max(1, expected.Concat(parts ?? []).Max(MathF.Abs));
        Assert.That(actual, Is.EqualTo(expected).Within((Tolerances.Reordered + rounding) * scale), what);
    }

    private static float[] Row(float[] rows, int token, int width) => rows[(token * width)..((token + 1) * width)];

    private static float[] Permute(float[] rows, int[] order, int width) => [.. order.SelectMany(t => Row(rows, t, width))];

    private sealed record Sample(FfnKind Kind, int DModel, int DFf, int Tokens, bool Bias, FfnMode Mode, int Threads);
}
