using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Memory;

/// <summary>Advice to the system to back memory with large pages, so that reading all of it takes fewer address translations.</summary>
internal static unsafe partial class HugePages
{
    /// <summary>Bytes of a large page on x86-64 and Arm64 with ordinary base pages.</summary>
    public const int Size = 2 * 1024 * 1024;

    // sys/mman.h of Linux.
    private const int MadvHugepage = 14;
    private const int MadvNohugepage = 15;

    /// <summary>Asks for large pages, where the system has them to ask for; a refusal costs only speed, so none is reported.</summary>
    /// <param name="start">The memory, on a <see cref="Size"/> boundary.</param>
    /// <param name="length">Bytes.</param>
    public static void Advise(void* start, nuint length)
    {
        if (OperatingSystem.IsLinux())
        {
            _ = Native.MAdvise(start, length, MadvHugepage);
        }
    }

    /// <summary>Asks for none, for memory parts of which are to lie apart; a refusal is not reported either.</summary>
    /// <param name="start">The memory, on a page's boundary.</param>
    /// <param name="length">Bytes.</param>
    public static void Forbid(void* start, nuint length)
    {
        if (OperatingSystem.IsLinux())
        {
            _ = Native.MAdvise(start, length, MadvNohugepage);
        }
    }

    private static partial class Native
    {
        [LibraryImport(Libraries.C, EntryPoint = "madvise")]
        public static partial int MAdvise(void* address, nuint length, int advice);
    }
}
