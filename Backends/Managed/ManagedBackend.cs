using NativeFfn.Backends.Cpu;
using NativeFfn.Backends.Cpu.Simd;
using NativeFfn.Backends.Managed.Kernels;

namespace NativeFfn.Backends.Managed;

/// <summary>C# with hardware vectors: always available, no native library.</summary>
internal static class ManagedBackend
{
    /// <summary>Starts a team.</summary>
    public static IFfnBackend Open(BackendOptions options) =>
        new CpuBackend(BackendKind.Managed, SimdWidth.Description, path: null, options, new ManagedProduct());
}
