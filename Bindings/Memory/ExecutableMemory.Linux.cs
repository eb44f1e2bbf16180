using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using NativeFfn.Bindings.Files;

namespace NativeFfn.Bindings.Memory;

/// <content>Linux.</content>
internal sealed unsafe partial class ExecutableMemory
{
    /// <remarks>
    /// A file in memory is written, sealed against any further change and mapped to be read and executed, so that no address is ever writable.
    /// Systems that let nothing writable become executable (<c>PR_SET_MDWE</c>, SELinux's <c>execmem</c>) allow that. Where there are no such
    /// files, pages are written and made executable then.
    /// </remarks>
    private static partial class Linux
    {
        // sys/mman.h.
        private const int Read = 1;
        private const int Write = 2;
        private const int Execute = 4;
        private const int Private = 0x02;
        private const int Anonymous = 0x20;
        private const uint CloseOnExec = 1;
        private const uint AllowSealing = 2;
        private const uint Executable = 0x10;

        // fcntl.h.
        private const int AddSeals = 1033;
        private const int Seals = 0x1 | 0x2 | 0x4 | 0x8;

        private static readonly nint Failed = -1;

        public static void* Take(ReadOnlySpan<byte> code, nuint bytes)
        {
            try
            {
                return FromFile(code, bytes);
            }
            catch (Exception exception) when (exception is Win32Exception or IOException or UnauthorizedAccessException)
            {
                return FromPages(code, bytes, exception.Message);
            }
        }

        public static bool Free(nint start, nuint bytes) => Native.Unmap(start, bytes) == 0;

        private static void* FromFile(ReadOnlySpan<byte> code, nuint bytes)
        {
            // Kernels before 6.3 do not know files that are executable by name.
            int descriptor = Native.CreateFile("nativeffn-kernels", CloseOnExec | AllowSealing | Executable);
            if (descriptor < 0)
            {
                descriptor = Native.CreateFile("nativeffn-kernels", CloseOnExec | AllowSealing);
            }

            if (descriptor < 0)
            {
                throw SystemCall.Refused("memfd_create");
            }

            using var file = new SafeFileHandle(descriptor, ownsHandle: true);
            UnixFile.Write(file, code);
            if (Native.Control(file, AddSeals, Seals) != 0)
            {
                throw SystemCall.Refused("fcntl(F_ADD_SEALS)");
            }

            nint start = Native.Map(0, bytes, Read | Execute, Private, (int)file.DangerousGetHandle(), 0);
            return start == Failed ? throw SystemCall.Refused("mmap of executable memory") : (void*)start;
        }

        private static void* FromPages(ReadOnlySpan<byte> code, nuint bytes, string before)
        {
            nint start = Native.Map(0, bytes, Read | Write, Private | Anonymous, -1, 0);
            if (start == Failed)
            {
                throw SystemCall.Refused($"{before}; mmap");
            }

            code.CopyTo(new Span<byte>((void*)start, code.Length));
            if (Native.Protect(start, bytes, Read | Execute) == 0)
            {
                return (void*)start;
            }

            Win32Exception refused = SystemCall.Refused($"{before}; mprotect to executable memory");
            _ = Native.Unmap(start, bytes);
            throw refused;
        }

        private static partial class Native
        {
            [LibraryImport(Libraries.C, EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
            public static partial int CreateFile(string name, uint flags);

            [LibraryImport(Libraries.C, EntryPoint = "fcntl", SetLastError = true)]
            public static partial int Control(SafeFileHandle file, int command, int argument);

            [LibraryImport(Libraries.C, EntryPoint = "mmap", SetLastError = true)]
            public static partial nint Map(nint address, nuint bytes, int protection, int flags, int file, nint offset);

            [LibraryImport(Libraries.C, EntryPoint = "mprotect", SetLastError = true)]
            public static partial int Protect(nint address, nuint bytes, int protection);

            [LibraryImport(Libraries.C, EntryPoint = "munmap", SetLastError = true)]
            public static partial int Unmap(nint address, nuint bytes);
        }
    }
}
