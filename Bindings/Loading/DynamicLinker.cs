using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Loading;

/// <summary>The system's dynamic linker, with the flags that <see cref="NativeLibrary"/> does not offer.</summary>
internal static unsafe partial class DynamicLinker
{
    // dlfcn.h of glibc and musl; macOS has other values for the last two.
    private const int RtldLazy = 1;
    private const int RtldNow = 2;
    private static readonly int RtldNoLoad = OperatingSystem.IsMacOS() ? 0x10 : 0x4;
    private static readonly int RtldGlobal = OperatingSystem.IsMacOS() ? 0x8 : 0x100;

    /// <summary>Loads a library whose symbols other libraries loaded later will look for.</summary>
    /// <param name="path">The file.</param>
    /// <param name="resolveNow">Whether every function is resolved at once, so that a missing one is known here and not at its first call.</param>
    /// <param name="handle">The library, to be given to <see cref="NativeLibrary.Free"/>.</param>
    /// <param name="problem">The loader's own words where it failed.</param>
    public static bool TryLoadGlobal(string path, bool resolveNow, out nint handle, [NotNullWhen(false)] out string? problem) =>
        TryLoad(path, (resolveNow ? RtldNow : RtldLazy) | RtldGlobal, out handle, out problem);

    /// <summary>Loads a library whose symbols are its own affair.</summary>
    /// <param name="path">The file; a name without a folder is left to the system's search.</param>
    /// <param name="handle">The library, to be given to <see cref="NativeLibrary.Free"/>.</param>
    /// <param name="problem">The loader's own words where it failed.</param>
    public static bool TryLoadLocal(string path, out nint handle, [NotNullWhen(false)] out string? problem) =>
        TryLoad(path, RtldLazy, out handle, out problem);

    /// <summary>Whether the process holds a library already.</summary>
    /// <param name="path">The file.</param>
    public static bool IsLoaded(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return false;
        }

        nint handle = Open(path, RtldLazy | RtldNoLoad, out _);
        if (handle != 0)
        {
            NativeLibrary.Free(handle);
        }

        return handle != 0;
    }

    /// <summary>The file of a library that is already in the process under one of some names, or null.</summary>
    /// <param name="names">File names without folders.</param>
    /// <param name="symbol">A function that the library exports.</param>
    public static string? FindLoaded(ReadOnlySpan<string> names, string symbol)
    {
        if (OperatingSystem.IsWindows())
        {
            return null;
        }

        foreach (string name in names)
        {
            nint handle = Open(name, RtldLazy | RtldNoLoad, out _);
            if (handle == 0)
            {
                continue;
            }

            string? path = NativeLibrary.TryGetExport(handle, symbol, out nint address) ? FileOf(address) : null;
            NativeLibrary.Free(handle);
            if (path is not null)
            {
                return path;
            }
        }

        return null;
    }

    private static bool TryLoad(string path, int flags, out nint handle, [NotNullWhen(false)] out string? problem)
    {
        problem = null;
        if (OperatingSystem.IsWindows())
        {
            try
            {
                handle = NativeLibrary.Load(path);
                return true;
            }
            catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
            {
                handle = 0;
                problem = exception.Message;
                return false;
            }
        }

        handle = Open(path, flags, out problem);
        return handle != 0;
    }

    private static nint Open(string path, int flags, out string? problem)
    {
        byte[] text = System.Text.Encoding.UTF8.GetBytes(path + '\0');
        fixed (byte* utf8 = text)
        {
            // Asked once beforehand, dlerror is bound and empty: binding it after a failure would overwrite the failure's text.
            try
            {
                InLibC.DlError();
                nint handle = InLibC.DlOpen(utf8, flags);
                problem = handle == 0 ? Describe(InLibC.DlError()) : null;
                return handle;
            }
            catch (EntryPointNotFoundException)
            {
                InLibDl.DlError();
                nint handle = InLibDl.DlOpen(utf8, flags);
                problem = handle == 0 ? Describe(InLibDl.DlError()) : null;
                return handle;
            }
        }
    }

    private static string Describe(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "the loader gave no reason";

    private static string? FileOf(nint address)
    {
        DlInfo info = default;
        int found;
        try
        {
            found = InLibC.DlAddr(address, &info);
        }
        catch (EntryPointNotFoundException)
        {
            found = InLibDl.DlAddr(address, &info);
        }

        return found == 0 ? null : Marshal.PtrToStringUTF8((nint)info.FileName);
    }

    // Dl_info of dlfcn.h.
    [StructLayout(LayoutKind.Sequential)]
    private struct DlInfo
    {
        public byte* FileName;
        public nint FileBase;
        public byte* SymbolName;
        public nint SymbolAddress;
    }

    private static partial class InLibC
    {
        [LibraryImport(Libraries.C, EntryPoint = "dlopen")]
        public static partial nint DlOpen(byte* path, int flags);

        [LibraryImport(Libraries.C, EntryPoint = "dlerror")]
        public static partial byte* DlError();

        [LibraryImport(Libraries.C, EntryPoint = "dladdr")]
        public static partial int DlAddr(nint address, DlInfo* info);
    }

    private static partial class InLibDl
    {
        [LibraryImport(Libraries.DynamicLinking, EntryPoint = "dlopen")]
        public static partial nint DlOpen(byte* path, int flags);

        [LibraryImport(Libraries.DynamicLinking, EntryPoint = "dlerror")]
        public static partial byte* DlError();

        [LibraryImport(Libraries.DynamicLinking, EntryPoint = "dladdr")]
        public static partial int DlAddr(nint address, DlInfo* info);
    }
}
