using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Activations;

/// <summary>The walk of an activation over a row, with bias and gate product in the same pass, in the widest vectors that there are.</summary>
internal static unsafe class ActivationWalk
{
    /// <summary>hidden = act(hidden + bias), in place.</summary>
    public static void Plain<TOperator>(float* hidden, float* bias, int count, ActivationParameters parameters)
        where TOperator : struct, IActivationOperator => Gated<TOperator>(hidden, bias, null, null, count, parameters);

    /// <summary>gate = Gate(act(factor · (gate + gateBias)), up + upBias), in place; without a gate where up is null.</summary>
    public static void Gated<TOperator>(float* gate, float* gateBias, float* up, float* upBias, int count, ActivationParameters parameters)
        where TOperator : struct, IActivationOperator
    {
        if (parameters.InputFactor == 1)
        {
            WidestWalk<TOperator>(gate, gateBias, up, upBias, count, parameters);
        }
        else
        {
            WidestWalk<ScaledInput<TOperator>>(gate, gateBias, up, upBias, count, parameters);
        }
    }

    private static void WidestWalk<TOperator>(float* gate, float* gateBias, float* up, float* upBias, int count, ActivationParameters parameters)
        where TOperator : struct, IActivationOperator
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Walk<TOperator, Simd512, Vector512<float>>(gate, gateBias, up, upBias, count, parameters);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Walk<TOperator, Simd256, Vector256<float>>(gate, gateBias, up, upBias, count, parameters);
        }
        else
        {
            Walk<TOperator, Simd128, Vector128<float>>(gate, gateBias, up, upBias, count, parameters);
        }
    }

    // The last, partial vector is computed in full in a buffer of its own, so that an element's bits do not depend on where a slice ends.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Walk<TOperator, TSimd, TVector>(float* gate, float* gateBias, float* up, float* upBias, int count, ActivationParameters parameters)
        where TOperator : struct, IActivationOperator
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            Step<TOperator, TSimd, TVector>(
                gate + i, Advance(gateBias, i), Advance(up, i), Advance(upBias, i), parameters);
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
                Copy(Advance(upBias, i), rest, buffers + 48),
                parameters);
            new ReadOnlySpan<float>(gateRest, rest).CopyTo(new Span<float>(gate + i, rest));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<TOperator, TSimd, TVector>(float* gate, float* gateBias, float* up, float* upBias, ActivationParameters parameters)
        where TOperator : struct, IActivationOperator
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector x = TSimd.Load(gate);
        if (gateBias != null)
        {
            x = TSimd.Add(x, TSimd.Load(gateBias));
        }

        TVector y = TOperator.Apply<TSimd, TVector>(x, parameters);
        if (up != null)
        {
            TVector linear = TSimd.Load(up);
            if (upBias != null)
            {
                linear = TSimd.Add(linear, TSimd.Load(upBias));
            }

            y = TOperator.Gate<TSimd, TVector>(y, linear, parameters);
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
