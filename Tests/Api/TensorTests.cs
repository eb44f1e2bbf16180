using System.Buffers;
using System.Numerics.Tensors;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>Forwards on tensors: those on their memory, and what is refused by its shape.</summary>
public sealed class TensorTests
{
    private const int Width = 6;
    private const int Tokens = 4;

    private FfnEngine _engine = null!;
    private FfnLayer _layer = null!;

    [OneTimeSetUp]
    public void Open()
    {
        _engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed });
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, Width, 10);
        _layer = _engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 1));
    }

    [OneTimeTearDown]
    public void Close()
    {
        _layer.Dispose();
        _engine.Dispose();
    }

    [Test]
    public void Every_mode_gives_what_spans_give()
    {
        float[] x = RandomLayers.Rows(Tokens, Width, 2);
        float[] residual = RandomLayers.Rows(Tokens, Width, 3);
        float[] expected = new float[x.Length];
        float[] output = new float[x.Length];
        TensorSpan<float> y = Matrix(output, Tokens, Width);
        _layer.Forward(x, expected);
        _layer.Forward(Matrix(x, Tokens, Width), y);
        Assert.That(output, Is.EqualTo(expected));
        _layer.ForwardResidual(x, residual, expected);
        _layer.ForwardResidual(Matrix(x, Tokens, Width), Matrix(residual, Tokens, Width), y);
        Assert.That(output, Is.EqualTo(expected));
        _layer.ForwardBlock(x, expected);
        _layer.ForwardBlock(Matrix(x, Tokens, Width), y);
        Assert.That(output, Is.EqualTo(expected));
    }

    [Test]
    public void One_row_and_a_part_of_the_rows_are_dense()
    {
        float[] x = RandomLayers.Rows(Tokens, Width, 2);
        float[] expected = new float[x.Length];
        float[] output = new float[x.Length];
        _layer.Forward(x, expected);
        for (int row = 0; row < Tokens; row++)
        {
            NRange[] range = [row..(row + 1), NRange.All];
            _layer.Forward(Matrix(x, Tokens, Width).Slice(range), Matrix(output, Tokens, Width).Slice(range));
        }

        Assert.That(output, Is.EqualTo(expected));
    }

    [Test]
    public void No_rows_are_fine() => Assert.DoesNotThrow(
        () => _layer.Forward(Tensor.CreateFromShape<float>([0, Width]), Tensor.CreateFromShape<float>([0, Width])));

    [Test]
    public void What_is_no_dense_matrix_of_the_layers_width_is_refused_by_name()
    {
        float[] memory = new float[Tokens * Width * 2];
        Assert.Multiple(() =>
        {
            Assert.That(
                () => _layer.Forward(new TensorSpan<float>(memory, [Tokens * Width]), Matrix(memory, Tokens, Width)),
                Throws.ArgumentException.With.Message.Contains("input has 1 dimensions"));
            Assert.That(
                () => _layer.Forward(new TensorSpan<float>(memory, [2, 2, Width]), Matrix(memory, Tokens, Width)),
                Throws.ArgumentException.With.Message.Contains("input has 3 dimensions"));
            Assert.That(
                () => _layer.Forward(Matrix(new float[Tokens * Width], Tokens, Width), new TensorSpan<float>(memory, [Tokens, Width], [2 * Width, 1])),
                Throws.ArgumentException.With.Message.Contains("output is [4, 6] with strides of 12 and 1"));
            Assert.That(
                () => _layer.Forward(new TensorSpan<float>(memory, [Tokens, Width], [1, Tokens]), Matrix(memory, Tokens, Width)),
                Throws.ArgumentException.With.Message.Contains("input is [4, 6] with strides of 1 and 4"));
            Assert.That(
                () => _layer.Forward(new TensorSpan<float>(memory, [Tokens, Width], [0, 1]), Matrix(memory, Tokens, Width)),
                Throws.ArgumentException.With.Message.Contains("input is [4, 6] with strides of 0 and 1"));
            Assert.That(
                () => _layer.Forward(Matrix(memory, Width, Tokens), Matrix(memory, Width, Tokens)),
                Throws.ArgumentException.With.Message.Contains("rows of 4 elements; this layer needs 6"));
            Assert.That(
                () => _layer.Forward(Tensor.CreateFromShape<float>([3, 0]), Tensor.CreateFromShape<float>([3, 0])),
                Throws.ArgumentException.With.Message.Contains("rows of 0 elements; this layer needs 6"));
        });
    }

    private static TensorSpan<float> Matrix(float[] memory, int rows, int width) => new(memory, [rows, width]);
}
