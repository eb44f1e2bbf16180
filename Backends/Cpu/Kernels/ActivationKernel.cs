using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using NativeFfn.Backends.Cpu.Simd;

namespace NativeFfn.Backends.Cpu.Kernels;

/// <summary>Activations over a row, with bias and gate product in the same pass.</summary>
internal static unsafe class ActivationKernel
{
    /// <summary>hidden = act(hidden + bias), in place.</summary>
    /// <param name="activation">The activation.</param>
    /// <param name="hidden">The row, <paramref name="count"/> elements.</param>
    /// <param name="bias">As many elements, or null.</param>
    /// <param name="count">Elements.</param>
    public static void Plain(Activation activation, float* hidden, float* bias, int count) =>
        Dispatch(activation, hidden, bias, null, null, count);

    /// <summary>gate = act(gate + gateBias) ⊙ (up + upBias), in place.</summary>
    /// <param name="activation">The activation.</param>
    /// <param name="gate">The gate's row, <paramref name="count"/> elements; receives the result.</param>
    /// <param name="gateBias">As many elements, or null.</param>
    /// <param name="up">As many elements; read only.</param>
    /// <param name="upBias">As many elements, or null.</param>
    /// <param name="count">Elements.</param>
    public static void Gated(Activation activation, float* gate, float* gateBias, float* up, float* upBias, int count) =>
        Dispatch(activation, gate, gateBias, up, upBias, count);

    private static void Dispatch(Activation activation, float* gate, float* gateBias, float* up, float* upBias, int count)
    {
        switch (activation)
        {
            case Activation.Identity:
                Walk<IdentityOperator>(gate, gateBias, up, upBias, count);
                break;
            case Activation.Relu:
                Walk<ReluOperator>(gate, gateBias, up, upBias, count);
                break;
            case Activation.SquaredRelu:
                Walk<SquaredReluOperator>(gate, gateBias, up, upBias, count);
                break;
            case Activation.Gelu:
                Walk<GeluOperator>(gate, gateBias, up, upBias, count);
                break;
            case Activation.GeluTanh:
                Walk<GeluTanhOperator>(gate, gateBias, up, upBias, count);
                break;
            case Activation.QuickGelu:
                Walk<QuickGeluOperator>(gate, gateBias, up, upBias, count);
                break;
            case Activation.Silu:
                Walk<SiluOperator>(gate, gateBias, up, upBias, count);
                break;
            case Activation.Sigmoid:
                Walk<SigmoidOperator>(gate, gateBias, up, upBias, count);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(activation), activation, "No such activation.");
        }
    }

    private static void Walk<TOperator>(float* gate, float* gateBias, float* up, float* upBias, int count)
        where TOperator : struct, IActivationOperator
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Walk<TOperator, Simd512, Vector512<float>>(gate, gateBias, up, upBias, count);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Walk<TOperator, Simd256, Vector256<float>>(gate, gateBias, up, upBias, count);
        }
        else
        {
            Walk<TOperator, Simd128, Vector128<float>>(gate, gateBias, up, upBias, count);
        }
    }

    // The last, partial vector is computed in full in a buffer of its own, so that an element's bits do not depend on where a slice ends.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Walk<TOperator, TSimd, TVector>(float* gate, float* gateBias, float* up, float* upBias, int count)
        where TOperator : struct, IActivationOperator
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            Step<TOperator, TSimd, TVector>(
                gate + i, Advance(gateBias, i), Advance(up, i), Advance(upBias, i));
        }

        int rest = count - i;
        if (rest > 0)
        {
            float* buffers = stackalloc float[4 * 16];
            float* gateRest = Copy(gate + i, rest, buffers);
            Step<TOperator, TSimd, TVector>(
                gateRest,
                Copy(Advance(gateBias, i), rest, buffers + 16),
                Copy(Advance(up, i), rest, buffers + 32),
                Copy(Advance(upBias, i), rest, buffers + 48));
            new ReadOnlySpan<float>(gateRest, rest).CopyTo(new Span<float>(gate + i, rest));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<TOperator, TSimd, TVector>(float* gate, float* gateBias, float* up, float* upBias)
        where TOperator : struct, IActivationOperator
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector x = TSimd.Load(gate);
        if (gateBias != null)
        {
            x = TSimd.Add(x, TSimd.Load(gateBias));
        }

        TVector y = TOperator.Apply<TSimd, TVector>(x);
        if (up != null)
        {
            TVector linear = TSimd.Load(up);
            if (upBias != null)
            {
                linear = TSimd.Add(linear, TSimd.Load(upBias));
            }

            y = TSimd.Multiply(y, linear);
        }

        TSimd.Store(y, gate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* Advance(float* pointer, int offset) => pointer == null ? null : pointer + offset;

    private static float* Copy(float* source, int count, float* buffer)
    {
        if (source == null)
        {
            return null;
        }

        new ReadOnlySpan<float>(source, count).CopyTo(new Span<float>(buffer, count));
        return buffer;
    }
}
