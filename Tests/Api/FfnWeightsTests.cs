using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>Weights handed over by code: what is missing, superfluous or of the wrong length is named. No backend is needed.</summary>
public class FfnWeightsTests
{
    private static readonly FfnSpec Gated = FfnSpec.Create(FfnKind.SwiGlu, 3, 4, bias: true).WithNorms(new NormSpec(NormKind.Rms, 0));
    private static readonly FfnSpec Plain = FfnSpec.Create(FfnKind.Gelu, 3, 4);

    [Test]
    public void Spans_arrive_under_the_names_of_the_tensors()
    {
        FfnMemoryWeights weights = RandomLayers.Gaussian(Gated, 1);
        Dictionary<string, float[]> read = Use(Gated, weights);
        using (Assert.EnterMultipleScope())
        {
            foreach (FfnTensor tensor in Gated.Tensors)
            {
                Assert.That(read[tensor.Name], Is.EqualTo(weights.Get(tensor.Name).ToArray()), tensor.Name);
            }
        }
    }

    [TestCase("gate.weight")]
    [TestCase("up.weight")]
    [TestCase("down.weight")]
    [TestCase("gate.bias")]
    [TestCase("up.bias")]
    [TestCase("down.bias")]
    [TestCase("pre_norm.weight")]
    public void A_missing_tensor_is_named(string name)
    {
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => Use(Gated, RandomLayers.Gaussian(Gated, 1), without: name));
        Assert.That(refusal.Message, Does.Contain($"'{name}'").And.Contain("empty"));
    }

    [TestCase("up.weight", "[4, 3]")]
    [TestCase("down.bias", "[3]")]
    public void A_wrong_length_is_named_with_the_shape(string name, string shape)
    {
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => Use(Gated, RandomLayers.Gaussian(Gated, 1), shortened: name));
        Assert.That(refusal.Message, Does.Contain($"'{name}'").And.Contain(shape).And.Contain("were given"));
    }

    [Test]
    public void A_superfluous_tensor_is_named()
    {
        float[] matrix = new float[12];
        ArgumentException refusal = Assert.Throws<ArgumentException>(
            () => new FfnWeights { Gate = matrix, Up = matrix, Down = matrix }.Use(Plain, 0, static (_, state, _) => state));
        Assert.That(refusal.Message, Does.Contain("no tensor 'gate.weight'"));
    }

    [Test]
    public void A_stack_needs_weights_by_name()
    {
        FfnSpec stack = FfnSpec.Stack(new FfnStage(FfnKind.Relu, 3, 4, false));
        ArgumentException refusal = Assert.Throws<ArgumentException>(
            () => new FfnWeights { Up = new float[12] }.Use(stack, 0, static (_, state, _) => state));
        Assert.That(refusal.Message, Does.Contain(nameof(FfnMemoryWeights)));
    }

    [Test]
    public void Weights_by_name_refuse_unknown_names_and_wrong_lengths()
    {
        var weights = new FfnMemoryWeights(Plain);
        ArgumentException unknown = Assert.Throws<ArgumentException>(() => weights.Set("gate.weight", new float[12]));
        ArgumentException length = Assert.Throws<ArgumentException>(() => weights.Set("up.weight", new float[11]));
        ArgumentException missing = Assert.Throws<ArgumentException>(() => weights.Get("down.weight"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(unknown.Message, Does.Contain("'gate.weight'").And.Contain("up.weight, down.weight"));
            Assert.That(length.Message, Does.Contain("[4, 3]").And.Contain("11 were given"));
            Assert.That(missing.Message, Does.Contain("'down.weight'").And.Contain("not set"));
        }
    }

    [Test]
    public void Weights_by_name_are_read_in_rows()
    {
        float[] up = [.. Enumerable.Range(0, 12).Select(static i => (float)i)];
        FfnMemoryWeights weights = new FfnMemoryWeights(Plain).Set("up.weight", up);
        float[] rows = new float[6];
        weights.ReadRows(Plain.Tensors[0], 1, rows);
        Assert.That(rows, Is.EqualTo(new float[] { 3, 4, 5, 6, 7, 8 }));
    }

    private static Dictionary<string, float[]> Use(FfnSpec spec, FfnMemoryWeights weights, string? without = null, string? shortened = null)
    {
        ReadOnlySpan<float> Find(string name) =>
            name == without ? default : weights.Get(name).Span[..^(name == shortened ? 1 : 0)];

        var spans = new FfnWeights
        {
            Gate = Find("gate.weight"),
            Up = Find("up.weight"),
            Down = Find("down.weight"),
            GateBias = Find("gate.bias"),
            UpBias = Find("up.bias"),
            DownBias = Find("down.bias"),
            PreNorm = Find("pre_norm.weight"),
        };
        return spans.Use(spec, new Dictionary<string, float[]>(), static (spec, read, source) =>
        {
            foreach (FfnTensor tensor in spec.Tensors)
            {
                read[tensor.Name] = new float[tensor.ElementCount];
                source.ReadRows(tensor, 0, read[tensor.Name]);
            }

            return read;
        });
    }
}
