using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using CommunityToolkit.HighPerformance;

namespace NativeFfn;

/// <summary>A layer's forwards on tensors of System.Numerics.Tensors, of two dimensions <c>[tokens, width]</c> and dense.</summary>
/// <remarks>
/// They are those of <see cref="FfnLayer"/> on the tensors' own memory: nothing is copied. For rows that lie apart take its spans of two
/// dimensions.
/// </remarks>
/// <example>
/// <code>
/// Tensor&lt;float> x = Tensor.CreateFromShape&lt;float>([3, layer.Spec.InputWidth]);
/// Tensor&lt;float> y = Tensor.CreateFromShape&lt;float>([3, layer.Spec.OutputWidth]);
/// layer.Forward(x, y);
/// </code>
/// </example>
public static class FfnTensorExtensions
{
    /// <summary>y = FFN(x).</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="input">x, <c>[tokens, InputWidth]</c>.</param>
    /// <param name="output">y, <c>[tokens, OutputWidth]</c>; may be the input itself.</param>
    /// <exception cref="ArgumentException">A tensor is not dense with two dimensions, does not fit the layer, or overlaps another in part.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its engine was disposed.</exception>
    public static void Forward(this FfnLayer layer, scoped in ReadOnlyTensorSpan<float> input, scoped in TensorSpan<float> output)
    {
        ArgumentNullException.ThrowIfNull(layer);
        layer.Forward(RowsOf(input, nameof(input)), RowsOf(output, nameof(output)));
    }

    /// <summary>y = residual + FFN(x).</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="input">x, <c>[tokens, InputWidth]</c>.</param>
    /// <param name="residual">What is added, <c>[tokens, OutputWidth]</c>; may be the input itself.</param>
    /// <param name="output">y, <c>[tokens, OutputWidth]</c>; may be the input or the residual itself.</param>
    /// <exception cref="ArgumentException">A tensor is not dense with two dimensions, does not fit the layer, or overlaps another in part.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its engine was disposed.</exception>
    public static void ForwardResidual(
        this FfnLayer layer,
        scoped in ReadOnlyTensorSpan<float> input,
        scoped in ReadOnlyTensorSpan<float> residual,
        scoped in TensorSpan<float> output)
    {
        ArgumentNullException.ThrowIfNull(layer);
        layer.ForwardResidual(RowsOf(input, nameof(input)), RowsOf(residual, nameof(residual)), RowsOf(output, nameof(output)));
    }

    /// <summary>The feed-forward half of a transformer block: y = post(x + branch(FFN(pre(x)))), each norm where the layer has it.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="input">x, <c>[tokens, d_model]</c>.</param>
    /// <param name="output">y, <c>[tokens, d_model]</c>; may be the input itself.</param>
    /// <exception cref="ArgumentException">A tensor is not dense with two dimensions, does not fit the layer, or overlaps another in part.</exception>
    /// <exception cref="NotSupportedException">The layer has no such half; <see cref="FfnSpec.WhyNoBlock"/> says why.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its engine was disposed.</exception>
    public static void ForwardBlock(this FfnLayer layer, scoped in ReadOnlyTensorSpan<float> input, scoped in TensorSpan<float> output)
    {
        ArgumentNullException.ThrowIfNull(layer);
        layer.ForwardBlock(RowsOf(input, nameof(input)), RowsOf(output, nameof(output)));
    }

    private static ReadOnlySpan2D<float> RowsOf(scoped in ReadOnlyTensorSpan<float> tensor, string name)
    {
        (int tokens, int width) = Shape(tensor.Lengths, tensor.Strides, name);

        // Behind the first element the dense rows follow one another; without any there is none.
        return tokens == 0 || width == 0
            ? ReadOnlySpan2D<float>.DangerousCreate(in Unsafe.NullRef<float>(), tokens, width, 0)
            : ReadOnlySpan2D<float>.DangerousCreate(in tensor[0, 0], tokens, width, 0);
    }

    private static Span2D<float> RowsOf(scoped in TensorSpan<float> tensor, string name)
    {
        (int tokens, int width) = Shape(tensor.Lengths, tensor.Strides, name);
        return tokens == 0 || width == 0
            ? Span2D<float>.DangerousCreate(ref Unsafe.NullRef<float>(), tokens, width, 0)
            : Span2D<float>.DangerousCreate(ref tensor[0, 0], tokens, width, 0);
    }

    // A dimension of one element has no stride to speak of.
    private static (int Tokens, int Width) Shape(scoped ReadOnlySpan<nint> lengths, scoped ReadOnlySpan<nint> strides, string name)
    {
        if (lengths.Length != 2)
        {
            throw new ArgumentException(
                $"{name} has {lengths.Length} dimensions, but rows are [tokens, width]. Give it that shape with Reshape.", name);
        }

        (nint tokens, nint width) = (lengths[0], lengths[1]);
        if ((width > 1 && strides[1] != 1) || (tokens > 1 && strides[0] != width))
        {
            throw new ArgumentException(
                $"{name} is [{tokens}, {width}] with strides of {strides[0]} and {strides[1]}, but rows must lie one behind the other, with " +
                $"{width} and 1. Copy it with ToDenseTensor, or hand rows that lie apart over as a span of two dimensions.", name);
        }

        return (checked((int)tokens), checked((int)width));
    }
}
