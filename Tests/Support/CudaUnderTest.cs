using NativeFfn.Bindings;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Loading;
using NUnit.Framework;

namespace NativeFfn.Tests.Support;

/// <summary>CUDA's real libraries as the tests of Bindings use them: loaded, or the test is left out with the reason.</summary>
internal static class CudaUnderTest
{
    /// <summary>Says that NVRTC was promised, so that its absence is a failure.</summary>
    public const string RequiredVariable = "NATIVEFFN_REQUIRE_NVRTC";

    // The newest that the bindings know; no driver need be there to name it.
    private const int NewestMajor = 13;

    public static LoadedLibrary Nvrtc() => Load(
        static () => CudaLoader.Nvrtc(null, NewestMajor), Environment.GetEnvironmentVariable(RequiredVariable) == "1");

    public static LoadedLibrary CuBlasLt() => Load(static () => CudaLoader.CuBlasLt(null, NewestMajor), isRequired: false);

    /// <summary>The machine's own driver, or the one that build/fetch-cuda.sh --all fetches, which finds no GPU.</summary>
    public static LoadedLibrary Driver()
    {
        string cache = Path.Combine(UserCache.Folder ?? string.Empty, "cuda");
        string? fetched = Directory.Exists(cache) ? Directory.GetFiles(cache, "libcuda.so.1", SearchOption.AllDirectories).FirstOrDefault() : null;
        return Load(() => TryLoad(null) ?? CudaLoader.Driver(fetched), isRequired: false);
    }

    private static LoadedLibrary? TryLoad(string? path)
    {
        try
        {
            return CudaLoader.Driver(path);
        }
        catch (NativeLibraryException)
        {
            return null;
        }
    }

    private static LoadedLibrary Load(Func<LoadedLibrary> load, bool isRequired)
    {
        try
        {
            return load();
        }
        catch (NativeLibraryException exception)
        {
            if (isRequired)
            {
                Assert.Fail($"{RequiredVariable} promises it. {exception.Message}");
            }

            Assert.Ignore(exception.Message);
            throw;
        }
    }
}
