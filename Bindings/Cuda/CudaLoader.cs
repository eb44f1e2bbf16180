using System.Runtime.InteropServices;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Cuda;

/// <summary>Loads each of CUDA's libraries from the first place that has a usable one.</summary>
internal static class CudaLoader
{
    public static LoadedLibrary Driver(string? configuredPath) => Load(["libcuda.so.1"], configuredPath);

    public static LoadedLibrary CuBlasLt(string? configuredPath) => Load(["libcublasLt.so.13", "libcublasLt.so.12"], configuredPath);

    public static LoadedLibrary Nvrtc(string? configuredPath) => Load(["libnvrtc.so.13", "libnvrtc.so.12"], configuredPath);

    private static LoadedLibrary Load(string[] files, string? configuredPath)
    {
        foreach (string file in files)
        {
            string path = configuredPath is null ? file : Path.Combine(configuredPath, file);
            if (NativeLibrary.TryLoad(path, out nint handle))
            {
                return new LoadedLibrary(path, handle);
            }
        }

        throw new NativeLibraryException($"{files[0]} was not found.", [], "Install it.");
    }
}
