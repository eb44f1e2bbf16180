using System.ComponentModel;
using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Processors;

/// <summary>Registers that a process must ask for before it uses them; Linux on x86-64 alone.</summary>
internal static partial class ProcessorState
{
    // asm/unistd_64.h and asm/prctl.h. The C library has no function for it.
    private const nint ArchitectureControl = 158;
    private const int RequestPermission = 0x1023;

    // The number of the state that the registers of AMX are.
    private const nuint Tiles = 18;

    /// <summary>Asks for the registers of AMX, for all threads of the process; it may be asked again.</summary>
    /// <exception cref="Win32Exception">
    /// The system refuses: it is older than Linux 5.16, the processor has no such registers, or a stack for signals is too small for them.
    /// </exception>
    public static void AskForTiles()
    {
        if (Native.Call(ArchitectureControl, RequestPermission, Tiles) != 0)
        {
            throw SystemCall.Refused("arch_prctl(ARCH_REQ_XCOMP_PERM)");
        }
    }

    private static partial class Native
    {
        [LibraryImport(Libraries.C, EntryPoint = "syscall", SetLastError = true)]
        public static partial nint Call(nint number, nint operation, nuint state);
    }
}
