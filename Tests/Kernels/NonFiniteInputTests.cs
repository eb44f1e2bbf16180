using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels;

/// <summary>
/// NaN and infinities in an input, in every precision: results are what the formula says of the stored weights, and what fills rows,
/// columns and tokens up to whole vectors turns nothing into NaN.
/// </summary>
public class NonFiniteInputTests : PrecisionTests
{
    private static readonly float[] Poisons = [float.NaN, float.PositiveInfinity, float.NegativeInfinity];

    public NonFiniteInputTests(BackendKind backend, FfnPrecision precision)
        : base(backend, precision)
    {
    }

    [Test]
    public void A_stage_gives_what_the_formula_says([Values(1, 7, 31, 32, 33, 65)] int inputWidth)
    {
        foreach (int width in (int[])[1, 7, 31, 33])
        {
            foreach (int tokens in (int[])[1, 5, 13])
            {
                AssertStage(inputWidth, width, tokens);
            }
        }
    }

    private void AssertStage(int inputWidth, int width, int tokens)
    {
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.Linear, inputWidth, width, false));
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 60);
        FfnMemoryWeights stored = StoredWeights.Of(Precision, spec, weights);
        using FfnLayer layer = Engine(2).CreateLayer(spec, weights);
        foreach (float poison in Poisons)
        {
            AssertFormula(layer, stored, FfnMode.Ffn, Poisoned(tokens, inputWidth, poison), $"{poison}, {inputWidth} -> {width}, {tokens} tokens");
        }
    }

    [Test]
    public void A_layer_of_stages_gives_what_the_formula_says([Values] FfnMode mode, [Values(1, 3)] int threads)
    {
        // ReLU lets an infinity through, or makes a zero of it, which the next stage multiplies.
        FfnSpec spec = FfnSpec.Create(FfnKind.Relu, 33, 71, bias: true);
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 61);
        FfnMemoryWeights stored = StoredWeights.Of(Precision, spec, weights);
        using FfnLayer layer = Engine(threads).CreateLayer(spec, weights);
        foreach (float poison in Poisons)
        {
            foreach (int tokens in (int[])[1, 5, 13])
            {
                AssertFormula(layer, stored, mode, Poisoned(tokens, 33, poison), $"{mode} {poison}, {tokens} tokens");
            }
        }
    }

    [Test]
    public void An_infinity_that_relu_makes_zeros_of_leaves_numbers()
    {
        // Width 20: what fills rows up to whole vectors has weights of 0, which times infinity are no numbers.
        FfnSpec spec = FfnSpec.Create(FfnKind.Relu, 16, 20, bias: true);
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 65);
        FfnTensor first = spec.Tensors.First(static tensor => !tensor.IsVector);
        weights.Set(first.Name, Array.ConvertAll(weights.Get(first.Name).ToArray(), static weight => -0.1f - Math.Abs(weight)));
        FfnMemoryWeights stored = StoredWeights.Of(Precision, spec, weights);
        using FfnLayer layer = Engine(1).CreateLayer(spec, weights);
        foreach (int tokens in (int[])[1, 5, 13])
        {
            float[] input = RandomLayers.Rows(tokens, 16, 66);
            input[3] = float.PositiveInfinity;
            AssertFormula(layer, stored, FfnMode.Ffn, input, $"{tokens} tokens");
            Assert.That(Forward(layer, FfnMode.Ffn, input).Take(16), RoundsRows(layer) ? Is.All.NaN : Is.All.Not.NaN);
        }
    }

    [Test]
    public void Tokens_beside_it_keep_their_bits([Values] FfnMode mode, [Values(1, 3)] int threads)
    {
        const int Tokens = 15;
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 20, 37, bias: true).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));
        using FfnLayer layer = Engine(threads).CreateLayer(spec, RandomLayers.Gaussian(spec, 62));
        float[] input = RandomLayers.Rows(Tokens, 20, 63);
        float[] clean = Forward(layer, mode, input);
        foreach (float poison in Poisons)
        {
            for (int poisoned = 0; poisoned < Tokens; poisoned += 2)
            {
                float[] rows = [.. input];
                rows[(poisoned * 20) + 5] = poison;
                float[] output = Forward(layer, mode, rows);
                clean.AsSpan(poisoned * 20, 20).CopyTo(output.AsSpan(poisoned * 20));
                Assert.That(output, Is.EqualTo(clean), $"{poison} in token {poisoned}");
            }
        }
    }

    // In the first, the middle and the last column of every second token.
    private static float[] Poisoned(int tokens, int width, float poison)
    {
        float[] input = RandomLayers.Rows(tokens, width, 64);
        for (int token = 0; token < tokens; token += 2)
        {
            input[(token * width) + (token / 2 % 3 * (width - 1) / 2)] = poison;
        }

        return input;
    }

    // An infinity has no integers: where rows become such, its row is no number.
    private static bool RoundsRows(FfnLayer layer) =>
        layer.Engine.Backend.Kind == BackendKind.Managed && StoredTokens.Largest(layer.Engine.Precision) != 0;

    private static void AssertFormula(FfnLayer layer, FfnMemoryWeights stored, FfnMode mode, float[] input, string what)
    {
        float[] actual = Forward(layer, mode, input);
        Estimate expected = Oracle.Run(layer.Spec, stored, mode, input).Output;
        for (int i = 0; i < actual.Length; i++)
        {
            // Numbers are the parity tests' business; here they must only be numbers.
            int row = i / layer.Spec.OutputWidth * layer.Spec.InputWidth;
            bool isLost = RoundsRows(layer) && !Array.TrueForAll(input[row..(row + layer.Spec.InputWidth)], float.IsFinite);
            double wanted = isLost ? double.NaN : expected.Values[i];
            bool same = double.IsFinite(wanted) ? float.IsFinite(actual[i]) : ((double)actual[i]).Equals(wanted);
            if (!same)
            {
                Assert.Fail($"{what}: element {i} is {actual[i]:R}, expected {wanted:R}.");
            }
        }
    }
}
