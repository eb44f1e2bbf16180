using System.Runtime.Intrinsics.X86;

namespace NativeFfn.Backends.Simd;

/// <summary>What this processor says of itself, by CPUID.</summary>
internal static class CpuId
{
    private const int FeaturesLeaf = 7;

    // The first four letters of GenuineIntel, from the lowest byte of EBX on.
    private const int IntelLetters = 0x756E_6547;

    /// <summary>Whether it is Intel's.</summary>
    public static bool IsIntel { get; } = X86Base.IsSupported && X86Base.CpuId(0, 0).Ebx == IntelLetters;

    /// <summary>Leaf 7, its features; zeros where it has none. For x86 alone.</summary>
    public static (int Eax, int Ebx, int Ecx, int Edx) Features(int subleaf)
    {
        (int leaves, _, _, _) = X86Base.CpuId(0, 0);
        if (leaves < FeaturesLeaf)
        {
            return default;
        }

        (int subleaves, _, _, _) = X86Base.CpuId(FeaturesLeaf, 0);
        return subleaf <= subleaves ? X86Base.CpuId(FeaturesLeaf, subleaf) : default;
    }
}
