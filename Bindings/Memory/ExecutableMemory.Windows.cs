using System.ComponentModel;
using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Memory;

/// <content>Windows.</content>
internal sealed unsafe partial class ExecutableMemory
{
    private static partial class Windows
    {
        // memoryapi.h.
        private const uint CommitAndReserve = 0x1000 | 0x2000;
        private const uint Release = 0x8000;
        private const uint ReadWrite = 0x04;
        private const uint ExecuteRead = 0x20;

        private static readonly nint ThisProcess = -1;

        public static void* Take(ReadOnlySpan<byte> code, nuint bytes)
        {
            nint start = Native.Allocate(0, bytes, CommitAndReserve, ReadWrite);
            if (start == 0)
            {
                throw SystemCall.Refused("VirtualAlloc");
            }

            code.CopyTo(new Span<byte>((void*)start, code.Length));
            if (Native.Protect(start, bytes, ExecuteRead, out _) != 0 && Native.FlushInstructions(ThisProcess, start, bytes) != 0)
            {
                return (void*)start;
            }

            Win32Exception refused = SystemCall.Refused("VirtualProtect to executable memory");
            _ = Free(start);
            throw refused;
        }

        public static bool Free(nint start) => Native.Free(start, 0, Release) != 0;

        private static partial class Native
        {
            [LibraryImport(Libraries.Kernel32, EntryPoint = "VirtualAlloc", SetLastError = true)]
            public static partial nint Allocate(nint address, nuint bytes, uint type, uint protection);

            [LibraryImport(Libraries.Kernel32, EntryPoint = "VirtualProtect", SetLastError = true)]
            public static partial int Protect(nint address, nuint bytes, uint protection, out uint before);

            [LibraryImport(Libraries.Kernel32, EntryPoint = "VirtualFree", SetLastError = true)]
            public static partial int Free(nint address, nuint bytes, uint type);

            [LibraryImport(Libraries.Kernel32, EntryPoint = "FlushInstructionCache", SetLastError = true)]
            public static partial int FlushInstructions(nint process, nint address, nuint bytes);
        }
    }
}
