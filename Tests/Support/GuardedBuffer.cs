using System.Runtime.InteropServices;
using NUnit.Framework;

namespace NativeFfn.Tests.Support;

/// <summary>Where the forbidden page lies.</summary>
public enum GuardSide
{
    /// <summary>The page before the first element may not be touched.</summary>
    Before,

    /// <summary>The page after the last element may not be touched.</summary>
    After,
}

/// <summary>Floats right beside a page without access, so that reading or writing past that end stops the process.</summary>
internal sealed unsafe partial class GuardedBuffer : IDisposable
{
    private const int NoAccess = 0;
    private const int ReadWrite = 1 | 2;
    private const int PrivateAnonymous = 0x02 | 0x20;

    private static readonly nint Failed = -1;

    private readonly nint _mapping;
    private readonly nuint _bytes;
    private readonly float* _first;

    public GuardedBuffer(int length, GuardSide side)
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("Guard pages are made by Linux system calls.");
        }

        nuint page = (nuint)Environment.SystemPageSize;
        nuint used = (((nuint)length * sizeof(float)) + page - 1) / page * page;
        Length = length;
        _bytes = used + (2 * page);
        _mapping = Map(0, _bytes, NoAccess, PrivateAnonymous, -1, 0);
        if (_mapping == Failed || (used > 0 && Protect(_mapping + (nint)page, used, ReadWrite) != 0))
        {
            throw new InvalidOperationException($"No guarded memory of {length} floats: errno {Marshal.GetLastSystemError()}.");
        }

        byte* start = (byte*)_mapping + page;
        _first = side == GuardSide.Before ? (float*)start : (float*)(start + used) - length;
    }

    public int Length { get; }

    /// <summary>The first element.</summary>
    public float* Pointer => _first;

    public Span<float> Span => new(_first, Length);

    public static GuardedBuffer Of(ReadOnlySpan<float> values, GuardSide side)
    {
        var buffer = new GuardedBuffer(values.Length, side);
        values.CopyTo(buffer.Span);
        return buffer;
    }

    public void Dispose() => _ = Unmap(_mapping, _bytes);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint bytes, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Protect(nint address, nuint bytes, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint bytes);
}
