using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.CuBlasLt;

/// <summary>cuBLASLt, resolved. Immutable and safe for use by several threads at once.</summary>
internal sealed unsafe class CuBlasLtLibrary
{
    /// <summary>The first cuBLASLt of CUDA 12.0, as the library writes versions: 10000 · major + 100 · minor + patch.</summary>
    public const long OldestVersion = 120000;

    /// <summary>Resolves every function; starts nothing, so that no GPU is needed yet.</summary>
    /// <exception cref="NativeLibraryException">A function is missing, or the library is too old.</exception>
    public CuBlasLtLibrary(NativeSymbols symbols)
    {
        Functions = new CuBlasLtFunctions(symbols);
        Path = symbols.Path;
        Version = checked((long)Functions.cublasLtGetVersion());
        if (Version < OldestVersion)
        {
            throw new NativeLibraryException(
                $"{Path} is cuBLASLt {Version}; {OldestVersion}, of CUDA 12.0, or newer is needed.", [],
                "Install cuBLAS of CUDA 12.0 or newer.");
        }
    }

    /// <summary>The library's functions.</summary>
    public CuBlasLtFunctions Functions { get; }

    /// <summary>The library's file.</summary>
    public string Path { get; }

    /// <summary>120405 is 12.4.5.</summary>
    public long Version { get; }

    /// <summary>Makes a handle, which one stream at a time should use.</summary>
    /// <exception cref="CuBlasLtException">The library refuses, for want of memory among others.</exception>
    public CuBlasLtHandle CreateHandle(CudaContext context) => new(this, context);

    /// <summary>Turns an error into an exception that names the function.</summary>
    /// <param name="status">What the function answered.</param>
    /// <param name="call">The call's text; the compiler fills it in.</param>
    internal void Check(int status, [CallerArgumentExpression(nameof(status))] string call = "")
    {
        if (status != CuBlasLtStatus.Success)
        {
            throw new CuBlasLtException(
                NativeCall.Function(call), status,
                Text(Functions.cublasLtGetStatusName(status)), Text(Functions.cublasLtGetStatusString(status)));
        }
    }

    private static string Text(byte* utf8) => Marshal.PtrToStringUTF8((nint)utf8) ?? "unknown";
}
