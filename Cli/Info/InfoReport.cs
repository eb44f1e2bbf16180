using System.Collections.Immutable;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace NativeFfn.Cli.Info;

/// <summary>One backend in <c>info --json</c>.</summary>
/// <param name="Name">Its spelling in options.</param>
/// <param name="Available">Whether it can be used here.</param>
/// <param name="Version">The native library's version or the vector instructions in use; null where unavailable.</param>
/// <param name="Path">The native library's file; null where there is none.</param>
/// <param name="Threads">Threads of one forward; null where unavailable.</param>
/// <param name="Reason">Why it is unavailable, with every path that was tried; null where available.</param>
internal sealed record BackendInfo(string Name, bool Available, string? Version, string? Path, int? Threads, string? Reason);

/// <summary>What multiplies in a precision on the CPU in <c>info --json</c>, where no library does.</summary>
/// <param name="Precision">Its spelling in options.</param>
/// <param name="Instructions">The instruction that code was assembled for, or C# and its vectors.</param>
/// <param name="AssembledMilliseconds">What assembling took; null where nothing was assembled.</param>
/// <param name="Reason">Why C# multiplies where there is assembled code elsewhere; null else.</param>
internal sealed record KernelInfo(string Precision, string Instructions, double? AssembledMilliseconds, string? Reason);

/// <summary>What rows go between GPUs by in <c>info --json</c>.</summary>
/// <param name="Version">NCCL's version; null where it is unavailable.</param>
/// <param name="Path">Its file.</param>
/// <param name="Reason">Why it is unavailable, with every path that was tried; null where available.</param>
internal sealed record NcclInfo(string? Version, string? Path, string? Reason);

/// <summary>The answer of <c>info --json</c>.</summary>
/// <param name="Version">NativeFfn's version.</param>
/// <param name="Auto">The backend that <c>auto</c> takes.</param>
/// <param name="Backends">Every backend in order of preference, the reference last.</param>
/// <param name="Nccl">What rows go between GPUs by; null where no backend computes on one.</param>
/// <param name="Kernels">What multiplies in each precision on the CPU.</param>
/// <param name="InstructionSets">What the processor offers and the runtime, or the compiler ahead of time, uses.</param>
/// <param name="Threads">Processors that this process may use.</param>
/// <param name="Numa">How engines on the CPU use NUMA nodes.</param>
/// <param name="OperatingSystem">Name and version.</param>
/// <param name="Architecture">The process's architecture.</param>
/// <param name="Runtime">.NET's version, and whether this was compiled ahead of time.</param>
internal sealed record InfoReport(
    string Version,
    string? Auto,
    ImmutableArray<BackendInfo> Backends,
    NcclInfo? Nccl,
    ImmutableArray<KernelInfo> Kernels,
    Dictionary<string, bool> InstructionSets,
    int Threads,
    NumaReport? Numa,
    string OperatingSystem,
    string Architecture,
    string Runtime)
{
    /// <summary>NativeFfn's version, with + and the commit that it was built from.</summary>
    public static string OwnVersion { get; } =
        typeof(InfoReport).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <summary>Tries every backend and asks the runtime for the rest.</summary>
    public static InfoReport Collect(FfnEngineOptions options)
    {
        ImmutableArray<BackendCandidate> candidates = FfnEngine.Probe(options);
        BackendCandidate? best = candidates.FirstOrDefault(static candidate => candidate.Available && candidate.IsAutomatic);
        return new InfoReport(
            OwnVersion,
            best is null ? null : Names<BackendKind>.Of(best.Kind),
            [.. candidates.Select(static candidate => new BackendInfo(
                Names<BackendKind>.Of(candidate.Kind),
                candidate.Available,
                candidate.Description?.Version,
                candidate.Description?.Path,
                candidate.Description?.Threads,
                candidate.Reason))],
            candidates.Any(static candidate => candidate.Description?.Device is not null) ? ProbeNccl(options) : null,
            [.. (candidates.Select(static candidate => candidate.Description?.DescribeKernels).FirstOrDefault(static describe => describe is not null)?.Invoke() ?? [])
                .Select(static kernel => new KernelInfo(Names<FfnPrecision>.Of(kernel.Precision), kernel.Instructions, kernel.Milliseconds, kernel.Reason))],
            FindInstructionSets(),
            Environment.ProcessorCount,
            candidates.Select(static candidate => candidate.Description?.Numa).FirstOrDefault(static numa => numa is not null),
            RuntimeInformation.OSDescription,
            RuntimeInformation.ProcessArchitecture.ToString(),
            RuntimeInformation.FrameworkDescription + (RuntimeFeature.IsDynamicCodeCompiled ? string.Empty : ", compiled ahead of time"));
    }

    private static NcclInfo ProbeNccl(FfnEngineOptions options)
    {
        (string? version, string? path, string? reason) = FfnEngine.ProbeNccl(options);
        return new NcclInfo(version, path, reason);
    }

    private static Dictionary<string, bool> FindInstructionSets() => new()
    {
        ["Vector512"] = Vector512.IsHardwareAccelerated,
        ["Vector256"] = Vector256.IsHardwareAccelerated,
        ["Vector128"] = Vector128.IsHardwareAccelerated,
        ["Avx512F"] = Avx512F.IsSupported,
        ["Avx512BW"] = Avx512BW.IsSupported,
        ["Avx2"] = Avx2.IsSupported,
        ["Fma"] = Fma.IsSupported,
        ["Avx"] = Avx.IsSupported,
        ["Sse42"] = Sse42.IsSupported,
        ["AdvSimd"] = AdvSimd.IsSupported,
        ["AdvSimdDp"] = Dp.IsSupported,
    };
}
