using System.Security.Cryptography;
using System.Text;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Loading;
using NativeFfn.Bindings.Nvrtc;

namespace NativeFfn.Backends.CuBlas.Kernels;

/// <summary>The kernels compiled for one device and precision, kept in the user's cache: compiling takes about a second.</summary>
internal static class KernelProgram
{
    private const string Folder = "cubins";

    /// <summary>The oldest devices: Ampere, the first with bf16 and TF32.</summary>
    public const int OldestArchitecture = 80;

    /// <summary>Loads the kernels, compiling them where that was not done before.</summary>
    /// <exception cref="NvrtcException">They do not compile; the message has the compiler's log.</exception>
    /// <exception cref="CudaException">The driver does not take them.</exception>
    public static CudaModule Load(CudaContext context, NvrtcCompiler compiler, DeviceFormat format)
    {
        string[] options = Options(context.Device, format);
        string? path = PathOf(compiler, options);
        if (path is not null && ReadKept(path) is { } kept && TryLoad(context, kept) is { } module)
        {
            return module;
        }

        byte[] compiled = compiler.Compile(KernelSources.MainName, KernelSources.Main, KernelSources.Headers.AsSpan(), options);
        CudaModule fresh = context.LoadModule(compiled);
        if (path is not null)
        {
            Keep(path, compiled);
        }

        return fresh;
    }

    /// <summary>What the compiler is told.</summary>
    public static string[] Options(CudaDevice device, DeviceFormat format) =>
        [$"--gpu-architecture=sm_{device.Architecture}", "--std=c++17", $"-D{format.Macro}"];

    /// <summary>Why a compiler cannot serve a device, or null.</summary>
    public static string? WhyUnsupported(NvrtcCompiler compiler, CudaDevice device)
    {
        int architecture = device.Architecture;
        return architecture < OldestArchitecture
                ? $"{device.Name} has compute capability {device.Major}.{device.Minor}; 8.0 (Ampere) or newer is needed."
            : !compiler.Architectures.Contains(architecture)
                ? $"{device.Name} has compute capability {device.Major}.{device.Minor}, for which NVRTC {compiler.Version.Major}.{compiler.Version.Minor} ({compiler.Path}) cannot compile. Install the libraries of a newer CUDA."
            : null;
    }

    private static string? PathOf(NvrtcCompiler compiler, string[] options)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add($"{compiler.Version.Major}.{compiler.Version.Minor} {string.Join(' ', options)}");
        Add(KernelSources.Main);
        foreach ((string name, string text) in KernelSources.Headers)
        {
            Add(name);
            Add(text);
        }

        return UserCache.File(Folder, Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 16)) + ".cubin");

        void Add(string text)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(text));
            hash.AppendData([0]);
        }
    }

    // What is kept starts with the hash of the rest: a driver believes an image's own word about where its parts are.
    private static byte[]? ReadKept(string path)
    {
        try
        {
            if (!FileOwnership.IsReadable(path))
            {
                return null;
            }

            byte[] file = File.ReadAllBytes(path);
            return file.Length > SHA256.HashSizeInBytes
                && SHA256.HashData(file.AsSpan(SHA256.HashSizeInBytes)).AsSpan().SequenceEqual(file.AsSpan(0, SHA256.HashSizeInBytes))
                ? file[SHA256.HashSizeInBytes..]
                : null;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static CudaModule? TryLoad(CudaContext context, byte[] image)
    {
        try
        {
            return context.LoadModule(image);
        }
        catch (CudaException refused) when (!refused.IsSticky)
        {
            // Kept under another driver, say.
            return null;
        }
    }

    private static void Keep(string path, byte[] image)
    {
        string whole = $"{path}.{Guid.NewGuid():N}";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            try
            {
                File.WriteAllBytes(whole, [.. SHA256.HashData(image), .. image]);
                File.Move(whole, path, overwrite: true);
            }
            finally
            {
                // Where it could not be moved; else it is gone.
                File.Delete(whole);
            }
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            // Compiled again next time.
        }
    }
}
