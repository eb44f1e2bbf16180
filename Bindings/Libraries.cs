namespace NativeFfn.Bindings;

/// <summary>Every native library by the name that imports use, and the files it may go by. Library names stand here and nowhere else.</summary>
internal static class Libraries
{
    /// <summary>MKL's single dynamic library, which brings in the layers chosen at run time.</summary>
    public const string MklRt = "mkl_rt";

    /// <summary>The C library, for the dynamic linker's functions.</summary>
    public const string C = "libc";

    /// <summary>Where glibc before 2.34 keeps the dynamic linker's functions.</summary>
    public const string DynamicLinking = "libdl.so.2";

    /// <summary>Files that MKL's single library may go by, newest interface first. Windows and macOS are listed but untested.</summary>
    public static string[] MklRtFiles { get; } =
        OperatingSystem.IsWindows() ? ["mkl_rt.3.dll", "mkl_rt.2.dll", "mkl_rt.1.dll", "mkl_rt.dll"]
        : OperatingSystem.IsMacOS() ? ["libmkl_rt.2.dylib", "libmkl_rt.1.dylib", "libmkl_rt.dylib"]
        : ["libmkl_rt.so.3", "libmkl_rt.so.2", "libmkl_rt.so.1", "libmkl_rt.so"];

    /// <summary>
    /// The layers that must lie beside MKL's single library, in loading order: MKL ends the process when it misses one. The last is the
    /// kernel library for any processor, which MKL falls back to when it has none for this one.
    /// </summary>
    public static string[] MklLayers { get; } =
        OperatingSystem.IsWindows() ? ["mkl_core", "mkl_sequential", "mkl_def"]
        : ["libmkl_core", "libmkl_sequential", "libmkl_intel_lp64", "libmkl_def"];
}
