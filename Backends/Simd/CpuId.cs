using System.Runtime.Intrinsics.X86;

namespace NativeFfn.Backends.Simd;

/// <summary>What this processor says of itself, by CPUID; asked once, as a virtual machine has to ask its host.</summary>
internal static class CpuId
{
    private const int FeaturesLeaf = 7;

    // The first four letters of GenuineIntel, from the lowest byte of EBX on.
    private const int IntelLetters = 0x756E_6547;

    private static readonly (int Eax, int Ebx, int Ecx, int Edx)[] Subleaves = [Read(0), Read(1)];

    /// <summary>Whether it is Intel's.</summary>
    public static bool IsIntel { get; } = X86Base.IsSupported && X86Base.CpuId(0, 0).Ebx == IntelLetters;

    /// <summary>Leaf 7, its features; zeros where it has none.</summary>
    /// <param name="subleaf">0 or 1.</param>
    public static (int Eax, int Ebx, int Ecx, int Edx) Features(int subleaf) => Subleaves[subleaf];

    private static (int Eax, int Ebx, int Ecx, int Edx) Read(int subleaf) =>
        X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= FeaturesLeaf && subleaf <= X86Base.CpuId(FeaturesLeaf, 0).Eax
            ? X86Base.CpuId(FeaturesLeaf, subleaf)
            : default;
}
