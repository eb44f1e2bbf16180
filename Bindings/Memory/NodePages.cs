using System.ComponentModel;
using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Memory;

/// <summary>Pages of memory and the NUMA nodes that they lie on; Linux alone.</summary>
internal static unsafe partial class NodePages
{
    // sys/mman.h.
    private const int DoNotNeed = 4;

    // linux/mempolicy.h: the node of the page at an address, in place of a policy.
    private const int NodeOfAddress = 1 | 2;

    /// <summary>Gives pages back, so that each is a new one when it is next touched; what they held is lost.</summary>
    /// <param name="start">The first page.</param>
    /// <param name="bytes">Bytes of whole pages.</param>
    /// <exception cref="Win32Exception">The system refuses, as it does where memory is locked.</exception>
    public static void Renew(void* start, nuint bytes)
    {
        if (Native.Advise(start, bytes, DoNotNeed) != 0)
        {
            throw SystemCall.Refused("madvise(MADV_DONTNEED)");
        }
    }

    /// <summary>The node that the page at an address lies on.</summary>
    /// <exception cref="Win32Exception">The system does not tell; containers' filters forbid the question.</exception>
    /// <exception cref="PlatformNotSupportedException">The number of the call is not known on this processor.</exception>
    public static int NodeOf(void* address)
    {
        int node = -1;
        nint refused = Native.Call(GetMemoryPolicy(), &node, null, 0, address, NodeOfAddress);
        return refused == 0 ? node : throw SystemCall.Refused("get_mempolicy");
    }

    // The C library has no function for it. Numbers of asm/unistd.h.
    private static nint GetMemoryPolicy() => RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 239,
        Architecture.Arm64 or Architecture.RiscV64 or Architecture.LoongArch64 => 236,
        Architecture other => throw new PlatformNotSupportedException($"get_mempolicy has no number that is known on {other}."),
    };

    private static partial class Native
    {
        [LibraryImport(Libraries.C, EntryPoint = "madvise", SetLastError = true)]
        public static partial int Advise(void* address, nuint bytes, int advice);

        [LibraryImport(Libraries.C, EntryPoint = "syscall", SetLastError = true)]
        public static partial nint Call(nint number, int* node, void* mask, nuint nodes, void* address, nint flags);
    }
}
