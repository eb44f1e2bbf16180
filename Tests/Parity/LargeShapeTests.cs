using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Parity;

/// <summary>Shapes of a model's proportions, and token counts on both sides of where a backend would cut a batch.</summary>
public class LargeShapeTests : FastBackendTests
{
    private const int MostTokens = 600;

    private static readonly FfnSpec Llama = FfnSpec.Create(FfnKind.SwiGlu, 256, 688).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));
    private static readonly FfnMemoryWeights LlamaWeights = RandomLayers.Gaussian(Llama, 31);
    private static readonly float[] LlamaInput = RandomLayers.Rows(MostTokens, Llama.DModel, 32);

    // Rows are independent: what the oracle says of the first rows of a batch is what it says of a batch of them.
    private static readonly Lazy<OracleRun> LlamaFfn = new(() => Oracle.Run(Llama, LlamaWeights, FfnMode.Ffn, LlamaInput));
    private static readonly Lazy<OracleRun> LlamaBlock = new(() => Oracle.Run(Llama, LlamaWeights, FfnMode.Block, LlamaInput));

    private static readonly ParityCase Wide = new(FfnSpec.Create(FfnKind.GeluTanh, 1000, 2731, bias: true), 9, FfnMode.Residual, 33);

    public LargeShapeTests(BackendKind backend)
        : base(backend)
    {
    }

    [Test]
    public void Batches_of_any_size_are_the_formula(
        [Values(1, 4, 64, 512, 513, MostTokens)] int tokens, [Values(1, 2, 3)] int threads)
    {
        float[] input = LlamaInput[..(tokens * Llama.DModel)];
        using FfnLayer layer = Engine(threads).CreateLayer(Llama, LlamaWeights);
        Estimate ffn = LlamaFfn.Value.Output.Prefix(input.Length);

        Tolerances.AssertClose(Forward(layer, FfnMode.Ffn, input), ffn, Tolerances.Of(Llama), "ffn");
        Tolerances.AssertClose(Forward(layer, FfnMode.Residual, input), ffn.Plus(Estimate.Exact(input)), Tolerances.Of(Llama), "residual");
        Tolerances.AssertClose(
            Forward(layer, FfnMode.Block, input), LlamaBlock.Value.Output.Prefix(input.Length), Tolerances.Of(Llama), "block");
    }

    [Test]
    public void Large_batches_run_in_place([Values(1, 2)] int threads)
    {
        using FfnLayer layer = Engine(threads).CreateLayer(Llama, LlamaWeights);
        float[] rows = [.. LlamaInput];
        layer.ForwardBlock(rows, rows);
        Tolerances.AssertClose(rows, LlamaBlock.Value.Output, Tolerances.Of(Llama), "block in place");
    }

    [Test]
    public void Widths_that_no_vector_divides_are_the_formula([Values(1, 2, 3)] int threads)
    {
        using FfnLayer layer = Engine(threads).CreateLayer(Wide.Spec, Wide.Weights);
        float[] output = Forward(layer, Wide.Mode, Wide.Input(), Wide.Residual());
        Tolerances.AssertClose(output, Wide.Expected.Output, Tolerances.Of(Wide.Spec), Wide.ToString());
    }
}
