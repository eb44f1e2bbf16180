using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>Instructions that multiply and add several neighbouring columns in a lane of 32 bits, for which .NET has no types.</summary>
internal enum DotProduct
{
    /// <summary><c>vdpbf16ps</c> of AVX512_BF16: two bfloat16 of each side, added to float32.</summary>
    BFloat16,

    /// <summary><c>tdpbf16ps</c> of AMX-BF16: the same for matrices of pairs.</summary>
    BFloat16Matrices,

    /// <summary><c>vpdpbusd</c> of AVX512_VNNI: four unsigned bytes by four signed ones, added to a 32-bit integer.</summary>
    Bytes,

    /// <summary><c>tdpbssd</c> of AMX-INT8: the same of signed bytes for matrices of fours.</summary>
    ByteMatrices,

    /// <summary><c>vpdpwssd</c> of AVX512_VNNI: two signed words of each side, added to a 32-bit integer.</summary>
    Words,

    /// <summary><c>tdpbusd</c> of AMX-INT8, with <c>tdpbssd</c>: the lower bytes of words and the upper ones, by bytes, for matrices of fours.</summary>
    WordMatrices,
}

/// <summary>Which of the instructions can be used here.</summary>
internal static class DotProducts
{
    /// <summary>The variable that turns assembled code off where it is 0.</summary>
    public const string Switch = "NATIVEFFN_ASSEMBLED";

    // CPUID leaf 7: AVX512_VNNI in ECX of subleaf 0, AMX-BF16, AVX512_FP16, AMX-TILE and AMX-INT8 in EDX of it, AVX512_BF16 in EAX of subleaf 1.
    private const int VnniBit = 11;
    private const int BFloat16Bit = 5;
    private const int Float16Bit = 23;
    private const int BFloat16MatricesBit = 22;
    private const int TilesBit = 24;
    private const int IntegerMatricesBit = 25;

    // Asked of the system once, and only where the processor can.
    private static readonly Lazy<string?> WhyNoTiles = new(static () => WhyNot("AMX-TILE", CpuId.Features(0).Edx, TilesBit) ?? AmxState.WhyNot());

    /// <summary>The instruction's name.</summary>
    public static string NameOf(DotProduct product) => product switch
    {
        DotProduct.BFloat16 => "vdpbf16ps",
        DotProduct.BFloat16Matrices => "tdpbf16ps",
        DotProduct.Bytes => "vpdpbusd",
        DotProduct.ByteMatrices => "tdpbssd",
        DotProduct.WordMatrices => "tdpbusd",
        _ => "vpdpwssd",
    };

    /// <summary>Why an instruction cannot be used by this process, or null where it can.</summary>
    /// <remarks>
    /// Whether the system keeps the registers is what .NET found out for AVX-512; <c>DOTNET_EnableAVX512=0</c> thus turns these off as well.
    /// </remarks>
    public static string? WhyNot(DotProduct product) =>
        Environment.GetEnvironmentVariable(Switch) == "0" ? $"{Switch} is 0."
        : RuntimeInformation.ProcessArchitecture != Architecture.X64 || !X86Base.IsSupported ? "the processor is no x86-64."
        : !Vector512.IsHardwareAccelerated || !Avx512BW.IsSupported ? "the runtime, or the processor, leaves 512-bit vectors alone."
        : product switch
        {
            DotProduct.BFloat16 => WhyNot("AVX512_BF16", CpuId.Features(1).Eax, BFloat16Bit),
            DotProduct.BFloat16Matrices => WhyNot("AMX-BF16", CpuId.Features(0).Edx, BFloat16MatricesBit) ?? WhyNoTiles.Value,
            DotProduct.ByteMatrices or DotProduct.WordMatrices => WhyNoIntegerMatrices(),
            _ => WhyNot("AVX512_VNNI", CpuId.Features(0).Ecx, VnniBit),
        };

    /// <summary>Why an instruction is not used by this process, though it may be there: what takes its place is faster. Null where it is used.</summary>
    /// <remarks>
    /// Intel's processors since Sapphire Rapids, which all have AVX512_FP16 and leave bfloat16 to AMX, do half as many operations a second by
    /// <c>vdpbf16ps</c> as by multiply-adds of float32: 172 and 347 · 10⁹ with two cores of Emerald Rapids. AMD's do twice as many.
    /// </remarks>
    public static string? WhyUnused(DotProduct product) =>
        WhyNot(product)
        ?? (product == DotProduct.BFloat16 && CpuId.IsIntel && ((CpuId.Features(0).Edx >> Float16Bit) & 1) != 0
            ? "the processor multiplies float32 twice as fast."
            : null);

    // Vectors multiply the smallest tiles, and make bytes of 4 bits.
    private static string? WhyNoIntegerMatrices() =>
        WhyNot("AMX-INT8", CpuId.Features(0).Edx, IntegerMatricesBit)
        ?? WhyNot("AVX512_VNNI", CpuId.Features(0).Ecx, VnniBit)
        ?? (Avx512Vbmi.IsSupported ? null : "the runtime, or the processor, leaves AVX512_VBMI alone.")
        ?? WhyNoTiles.Value;

    private static string? WhyNot(string set, int register, int bit) => ((register >> bit) & 1) != 0 ? null : $"the processor has no {set}.";
}
