using System.ComponentModel;
using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Memory;

/// <summary>Machine code in memory that was written first and made executable then, and was never both.</summary>
internal sealed unsafe partial class ExecutableMemory : SafeHandle
{
    private readonly nuint _bytes;

    private ExecutableMemory(void* start, nuint bytes)
        : base(0, ownsHandle: true)
    {
        _bytes = bytes;
        SetHandle((nint)start);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>The first byte; holds only while the memory is not disposed of.</summary>
    public byte* Start => (byte*)handle;

    /// <summary>Takes code in.</summary>
    /// <param name="code">The code, which runs wherever it lies.</param>
    /// <exception cref="PlatformNotSupportedException">The system is neither Linux nor Windows.</exception>
    /// <exception cref="Win32Exception">The system refuses executable memory; the message says which call.</exception>
    public static ExecutableMemory Of(ReadOnlySpan<byte> code)
    {
        ArgumentOutOfRangeException.ThrowIfZero(code.Length);
        nuint page = (nuint)Environment.SystemPageSize;
        nuint bytes = ((nuint)code.Length + page - 1) / page * page;
        void* start = OperatingSystem.IsLinux() ? Linux.Take(code, bytes)
            : OperatingSystem.IsWindows() ? Windows.Take(code, bytes)
            : throw new PlatformNotSupportedException("executable memory is known on Linux and Windows only.");
        return new ExecutableMemory(start, bytes);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => OperatingSystem.IsWindows() ? Windows.Free(handle) : Linux.Free(handle, _bytes);
}
