using System.Runtime.Intrinsics;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>The panel kernels of every width of vector that this processor has, and not only of the widest.</summary>
internal static class PanelKernels
{
    /// <summary>In place of bits of a vector, the kernel that a layer gets: assembled where there is such a one.</summary>
    public const int OfLayer = 0;

    /// <summary>Bits of a vector.</summary>
    public static readonly int[] Widths = [128, 256, 512, OfLayer];

    /// <summary>The kernel of the widest vectors.</summary>
    public static PanelKernel Of(FfnPrecision precision) => PanelKernel.Of(WeightEncodings.Of(precision)!, TokenTypes.Of(precision));

    public static PanelKernel Of(int bits, FfnPrecision precision) => Of(bits, WeightEncodings.Of(precision)!, TokenTypes.Of(precision));

    public static PanelKernel Of(int bits, WeightEncoding encoding, TokenType tokens)
    {
        if (bits == OfLayer)
        {
            return PanelKernel.Of(encoding, tokens);
        }

        bool isThere = bits == 128 || (bits == 256 && Vector256.IsHardwareAccelerated) || (bits == 512 && Vector512.IsHardwareAccelerated);
        if (!isThere)
        {
            Assert.Ignore($"This processor has no vectors of {bits} bits, or was told to leave them.");
        }

        return bits switch
        {
            512 => PanelKernel.Of<Simd512, Vector512<float>>(encoding, tokens),
            256 => PanelKernel.Of<Simd256, Vector256<float>>(encoding, tokens),
            _ => PanelKernel.Of<Simd128, Vector128<float>>(encoding, tokens),
        };
    }
}
