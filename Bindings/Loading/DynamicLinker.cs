using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Loading;

/// <summary>The system's dynamic linker, with the flags that <see cref="NativeLibrary"/> does not offer.</summary>
internal static unsafe class DynamicLinker
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

        // What the process has already was run already; the application's folder is the application.
        if (Path.IsPathRooted(path) && !IsLoaded(path) && WhyUnsafe(path) is { } reason)
        {
            (handle, problem) = (0, reason);
            return false;
        }

        handle = Open(path, flags, out problem);
        return handle != 0;
    }

    /// <summary>Why a file must not be given to the loader, or null: it would kill the process, or is another user's to change.</summary>
    /// <param name="path">The file.</param>
    public static string? WhyUnsafe(string path)
    {
        string file = LibraryCandidate.RealPath(path);
        return ElfFile.WhyBroken(file)
            ?? (file.StartsWith(AppContext.BaseDirectory, StringComparison.Ordinal) ? null : FileOwnership.WhyChangeable(file));
    }

    private static nint Open(string path, int flags, out string? problem)
    {
        byte[] text = System.Text.Encoding.UTF8.GetBytes(path + '\0');
        fixed (byte* utf8 = text)
        {
            nint handle = Functions.Table.dlopen(utf8, flags);
            problem = handle == 0 ? Marshal.PtrToStringUTF8((nint)Functions.Table.dlerror()) ?? "the loader gave no reason" : null;
            return handle;
        }
    }

    private static string? FileOf(nint address)
    {
        DlInfo info = default;
        return Functions.Table.dladdr(address, &info) == 0 ? null : Marshal.PtrToStringUTF8((nint)info.FileName);
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

    // dlfcn.h. All are found before the first is called, so that finding dlerror cannot overwrite the text of a failure.
    private sealed class Functions(NativeSymbols symbols)
    {
        private const string Remedy = "This system has no dynamic linker that NativeFfn knows.";

        public static readonly Functions Table = new(Library());

        public readonly delegate* unmanaged<byte*, int, nint> dlopen =
            (delegate* unmanaged<byte*, int, nint>)symbols.Find(nameof(dlopen), Remedy);
        public readonly delegate* unmanaged<byte*> dlerror = (delegate* unmanaged<byte*>)symbols.Find(nameof(dlerror), Remedy);
        public readonly delegate* unmanaged<nint, DlInfo*, int> dladdr =
            (delegate* unmanaged<nint, DlInfo*, int>)symbols.Find(nameof(dladdr), Remedy);

        // The C library has them, but for glibc before 2.34.
        private static LoadedLibrary Library()
        {
            var libc = new LoadedLibrary(Libraries.C, NativeLibrary.Load(Libraries.C, typeof(DynamicLinker).Assembly, searchPath: null));
            return libc.TryFind(nameof(dlopen), out _)
                ? libc
                : new LoadedLibrary(Libraries.DynamicLinking, NativeLibrary.Load(Libraries.DynamicLinking));
        }
    }
}
