using System.Runtime.InteropServices;

namespace NativeFfn.Tests.Software;

/// <summary>
/// Addresses of device memory: a reserved range that the processor may not touch, so that code which follows a device pointer on the host
/// stops the process as it would with a real device.
/// </summary>
/// <remarks>No address is given out twice in a process, so that a stale one is always known as such.</remarks>
internal static partial class AddressSpace
{
    /// <summary>What cuMemAlloc promises, and here not more: addresses are odd multiples of it.</summary>
    public const int Alignment = 256;

    private static readonly long ReservedBytes = 1L << 40;
    private const int NoAccess = 0;
    private const int PrivateAnonymousNoReserve = 0x02 | 0x20 | 0x4000;

    private static readonly Lock Gate = new();
    private static readonly nint First = Reserve();
    private static nint s_next = First;

    /// <summary>The lowest address that later allocations get.</summary>
    public static nint Next
    {
        get
        {
            lock (Gate)
            {
                return s_next;
            }
        }
    }

    public static bool Contains(nint address) => address >= First && address < First + ReservedBytes;

    /// <summary>Fresh addresses, with forbidden ones between them and any others.</summary>
    public static nint Take(long bytes)
    {
        lock (Gate)
        {
            nint start = ((s_next + (2 * Alignment)) / (2 * Alignment) * (2 * Alignment)) + Alignment;
            long left = First + ReservedBytes - start;
            if (bytes > left - (4 * Alignment))
            {
                throw new NativeFailure(CudaResult.OutOfMemory, "The software device's addresses are used up.");
            }

            s_next = (nint)(start + bytes + Alignment);
            return start;
        }
    }

    private static nint Reserve()
    {
        nint address = Map(0, (nuint)ReservedBytes, NoAccess, PrivateAnonymousNoReserve, -1, 0);
        return address != -1 ? address : throw new InvalidOperationException($"No address space: errno {Marshal.GetLastSystemError()}.");
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint bytes, int protection, int flags, int file, nint offset);
}
