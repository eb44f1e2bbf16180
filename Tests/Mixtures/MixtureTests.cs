using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Mixtures;

/// <summary>Mixtures against the dense layers that they are made of.</summary>
public class MixtureTests : BackendTests
{
    private const int DModel = 40;
    private const int DFf = 72;

    public MixtureTests(BackendKind backend)
        : base(backend)
    {
    }

    [Test]
    public void A_mixture_of_one_expert_is_that_expert([Values(1, 2, 30)] int tokens, [Values] FfnMode mode)
    {
        FfnSpec dense = FfnSpec.Create(FfnKind.SwiGlu, DModel, DFf).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));
        FfnSpec mixture = dense.WithExperts(new MixtureSpec(1, 1));
        float[] input = RandomLayers.Rows(tokens, DModel, 3);
        Assert.That(Run(mixture, Weights(mixture, 1), input, mode), Is.EqualTo(Run(dense, Weights(dense, 1), input, mode)).Within(1e-6));
    }

    [Test]
    public void Experts_that_are_alike_give_the_dense_layer_whatever_is_chosen(
        [Values(1, 3, 8)] int topK, [Values(1, 17)] int tokens, [Values] RouterScoring scoring)
    {
        FfnSpec dense = FfnSpec.Create(FfnKind.GeGlu, DModel, DFf);
        FfnSpec mixture = dense.WithExperts(new MixtureSpec(8, topK) { Scoring = scoring });
        float[] input = RandomLayers.Rows(tokens, DModel, 4);
        float[] expected = Run(dense, Weights(dense, 1), input, FfnMode.Residual);
        Assert.That(Run(mixture, Weights(mixture, 1), input, FfnMode.Residual), Is.EqualTo(expected).Within(1e-5));
    }

    [Test]
    public void A_shared_expert_is_weighed_by_its_gate_and_its_factor([Values(1, 9)] int tokens, [Values] bool hasGate)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, DModel, DFf)
            .WithExperts(new MixtureSpec(4, 2) { SharedDFf = 24, HasSharedGate = hasGate, SharedFactor = hasGate ? 1 : 0.25f });
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 7);
        float[] input = RandomLayers.Rows(tokens, DModel, 8);
        Tolerances.AssertClose(
            Run(spec, weights, input, FfnMode.Ffn), Oracle.Run(spec, weights, FfnMode.Ffn, input).Output, Tolerances.Of(spec), "shared");
    }

    [Test]
    public void Experts_that_come_and_go_change_no_bit([Values(1, 2, 4)] int resident, [Values(1, 50)] int tokens)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, DModel, DFf).WithExperts(new MixtureSpec(8, 2) { SharedDFf = 16, HasSharedGate = true });
        var weights = new XavierWeights(spec, 5);
        float[] input = RandomLayers.Rows(tokens, DModel, 6);
        float[] expected = Run(spec, weights, input, FfnMode.Ffn);
        if (Backend == BackendKind.CuBlas)
        {
            Assert.Pass("Experts stay; ResidentExpertTests has the refusal.");
        }

        using FfnEngine engine = TestBackends.Open(TestBackends.OptionsOf(Backend, 2) with { MaxResidentExperts = resident });
        using FfnLayer layer = engine.CreateLayer(spec, weights);
        for (int round = 0; round < 3; round++)
        {
            var actual = new float[input.Length];
            layer.Forward(input, actual);
            Assert.That(actual, Is.EqualTo(expected));
        }
    }

    // The same numbers for every expert, under its name.
    private static FfnMemoryWeights Weights(FfnSpec spec, int seed)
    {
        var weights = new FfnMemoryWeights(spec);
        foreach (FfnTensor tensor in spec.Tensors)
        {
            bool isNorm = tensor.Role == FfnTensorRole.PreNormWeight;
            var random = new Random(seed + ((int)tensor.Role * 10) + tensor.Stage);
            float scale = 1 / MathF.Sqrt(tensor.Columns);
            weights.Set(tensor.Name, Enumerable.Range(0, (int)tensor.ElementCount).Select(_ => isNorm ? 1f : scale * ((2 * random.NextSingle()) - 1)).ToArray());
        }

        return weights;
    }

    private float[] Run(FfnSpec spec, IFfnWeightSource weights, float[] input, FfnMode mode)
    {
        using FfnLayer layer = Engine(2).CreateLayer(spec, weights);
        var output = new float[input.Length];
        layer.Inspect(mode, input, output);
        return output;
    }
}
