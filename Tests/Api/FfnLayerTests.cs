using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>A layer's public face: its weights are its own, and what does not fit is refused by name before anything is written.</summary>
public class FfnLayerTests : BackendTests
{
    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, 6, 10, bias: true).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));

    public FfnLayerTests(BackendKind backend)
        : base(backend)
    {
    }

    [Test]
    public void Weights_handed_as_spans_are_copied()
    {
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 1);
        float[] Copy(string name) => weights.Get(name).ToArray();
        float[][] arrays =
        [
            Copy("gate.weight"), Copy("up.weight"), Copy("down.weight"), Copy("gate.bias"), Copy("up.bias"), Copy("down.bias"), Copy("pre_norm.weight"),
        ];
        using FfnLayer layer = Engine(2).CreateLayer(Spec, new FfnWeights
        {
            Gate = arrays[0],
            Up = arrays[1],
            Down = arrays[2],
            GateBias = arrays[3],
            UpBias = arrays[4],
            DownBias = arrays[5],
            PreNorm = arrays[6],
        });
        Array.ForEach(arrays, static array => Array.Fill(array, float.NaN));

        float[] input = RandomLayers.Rows(5, Spec.DModel, 2);
        Tolerances.AssertClose(
            Forward(layer, FfnMode.Block, input), Oracle.Run(Spec, weights, FfnMode.Block, input).Output, Tolerances.Of(Spec), "after the arrays changed");
    }

    [Test]
    public void A_source_is_read_whole_and_each_row_once()
    {
        var source = new CountingSource(RandomLayers.Gaussian(Spec, 3));
        using FfnLayer layer = Engine(2).CreateLayer(Spec, source);
        using (Assert.EnterMultipleScope())
        {
            foreach (FfnTensor tensor in Spec.Tensors)
            {
                Assert.That(source.RowsRead.GetValueOrDefault(tensor.Name), Is.EqualTo(tensor.Rows), tensor.Name);
            }
        }
    }

    [Test]
    public void A_layer_knows_its_engine_and_its_size()
    {
        using FfnLayer layer = Engine(1).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 4));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(layer.Engine, Is.SameAs(Engine(1)));
            Assert.That(layer.Spec, Is.SameAs(Spec));
            Assert.That(layer.WeightBytes, Is.GreaterThanOrEqualTo(3 * 6 * 10 * sizeof(float)), "its three matrices at least");
            Assert.That(Engine(1).Backend.Kind, Is.EqualTo(Backend));
            Assert.That(Engine(1).Backend.Threads, Is.EqualTo(1));
        }
    }

    [TestCase(7, 6, "input")]
    [TestCase(6, 5, "output")]
    public void A_length_that_is_no_whole_number_of_rows_is_named(int inputLength, int outputLength, string name)
    {
        using FfnLayer layer = Engine(1).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 5));
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => layer.Forward(new float[inputLength], new float[outputLength]));
        Assert.That(refusal.Message, Does.StartWith(name).And.Contain("rows of 6"));
    }

    [Test]
    public void A_refused_forward_writes_nothing()
    {
        using FfnLayer layer = Engine(1).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 6));
        float[] buffer = RandomLayers.Rows(3, 6, 7);
        float[] before = [.. buffer];
        Assert.Throws<ArgumentException>(() => layer.Forward(buffer.AsSpan(0, 12), buffer.AsSpan(6, 12)));
        Assert.That(buffer, Is.EqualTo(before));
    }

    [Test]
    public void A_weight_source_that_throws_makes_no_layer_and_harms_none()
    {
        FfnMemoryWeights incomplete = new FfnMemoryWeights(Spec).Set("gate.weight", new float[60]);
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => Engine(2).CreateLayer(Spec, incomplete));
        Assert.That(refusal.Message, Does.Contain("was not set"));

        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 8);
        float[] input = RandomLayers.Rows(2, 6, 9);
        using FfnLayer layer = Engine(2).CreateLayer(Spec, weights);
        Tolerances.AssertClose(
            Forward(layer, FfnMode.Ffn, input), Oracle.Run(Spec, weights, FfnMode.Ffn, input).Output, Tolerances.Of(Spec), "the next layer");
    }

    private sealed class CountingSource(FfnMemoryWeights weights) : IFfnWeightSource
    {
        public Dictionary<string, int> RowsRead { get; } = [];

        public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination)
        {
            lock (RowsRead)
            {
                RowsRead[tensor.Name] = RowsRead.GetValueOrDefault(tensor.Name) + (destination.Length / tensor.Columns);
            }

            weights.ReadRows(tensor, firstRow, destination);
        }
    }
}
