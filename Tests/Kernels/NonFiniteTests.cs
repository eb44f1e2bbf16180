using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels;

/// <summary>NaN and infinities reach what depends on them and nothing else.</summary>
public class NonFiniteTests : BackendTests
{
    private const int Tokens = 7;
    private const int Poisoned = 3;

    private static readonly FfnSpec SwiGlu = FfnSpec.Create(FfnKind.SwiGlu, 20, 37, bias: true).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));

    public NonFiniteTests(BackendKind backend)
        : base(backend)
    {
    }

    [Test]
    public void NaN_in_one_token_stays_in_that_token([Values] FfnMode mode, [Values(1, 2, 3)] int threads)
    {
        using FfnLayer layer = Engine(threads).CreateLayer(SwiGlu, RandomLayers.Gaussian(SwiGlu, 1));
        float[] input = RandomLayers.Rows(Tokens, SwiGlu.DModel, 2);
        float[] clean = Forward(layer, mode, input);
        input[(Poisoned * SwiGlu.DModel) + 5] = float.NaN;
        float[] output = Forward(layer, mode, input);

        for (int t = 0; t < Tokens; t++)
        {
            Range row = (t * SwiGlu.DModel)..((t + 1) * SwiGlu.DModel);
            if (t == Poisoned)
            {
                Assert.That(output[row], Is.All.NaN, $"token {t}");
            }
            else
            {
                Assert.That(output[row], Is.EqualTo(clean[row]), $"token {t}");
            }
        }
    }

    [Test]
    public void NaN_in_a_weight_reaches_the_outputs_of_its_row([Values] FfnMode mode, [Values(1, 2, 3)] int threads)
    {
        const int Row = 11;
        FfnMemoryWeights weights = RandomLayers.Gaussian(SwiGlu, 3);
        float[] input = RandomLayers.Rows(Tokens, SwiGlu.DModel, 4);
        float[] clean = Run(SwiGlu, weights, mode, input, threads);
        float[] down = weights.Get("down.weight").ToArray();
        down[(Row * SwiGlu.DFf) + 36] = float.NaN;
        float[] output = Run(SwiGlu, weights.Set("down.weight", down), mode, input, threads);

        for (int i = 0; i < output.Length; i++)
        {
            Assert.That(output[i], i % SwiGlu.DModel == Row ? Is.NaN : Is.EqualTo(clean[i]), $"token {i / SwiGlu.DModel}, element {i % SwiGlu.DModel}");
        }
    }

    [Test]
    public void NaN_in_the_first_matrix_reaches_every_output([Values(1, 2)] int threads)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.Relu, 9, 33);
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 5);
        float[] up = weights.Get("up.weight").ToArray();
        up[^1] = float.NaN;
        float[] output = Run(spec, weights.Set("up.weight", up), FfnMode.Ffn, RandomLayers.Rows(Tokens, 9, 6), threads);
        Assert.That(output, Is.All.NaN);
    }

    [TestCase(1)]
    [TestCase(5)]
    [TestCase(40)]
    public void Zero_times_infinity_is_not_skipped_in_a_product_of_matrices(int tokens)
    {
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.Linear, 10, 17, false));
        float[] weight = RandomLayers.Rows(17, 10, 7);
        weight[(4 * 10) + 6] = float.PositiveInfinity;
        float[] input = new float[tokens * 10];
        float[] output = Run(spec, new FfnMemoryWeights(spec).Set("layers.0.weight", weight), FfnMode.Ffn, input, 1);
        for (int i = 0; i < output.Length; i++)
        {
            Assert.That(output[i], i % 17 == 4 ? Is.NaN : Is.Zero, $"token {i / 17}, element {i % 17}");
        }
    }

    [Test]
    public void Zero_gate_times_infinite_up_is_NaN([Values(1, 8, 19)] int width)
    {
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.ReGlu, 1, width, false));
        float[] gate = new float[width];
        float[] up = new float[width];
        Array.Fill(gate, -1f);
        Array.Fill(up, float.PositiveInfinity);
        FfnMemoryWeights weights = new FfnMemoryWeights(spec).Set("layers.0.weight", gate).Set("layers.0.up.weight", up);
        Assert.That(Run(spec, weights, FfnMode.Ffn, [1f], 1), Is.All.NaN);
    }

    private float[] Run(FfnSpec spec, FfnMemoryWeights weights, FfnMode mode, float[] input, int threads)
    {
        using FfnLayer layer = Engine(threads).CreateLayer(spec, weights);
        return Forward(layer, mode, input);
    }
}
