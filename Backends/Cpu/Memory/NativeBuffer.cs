using System.Runtime.InteropServices;
using NativeFfn.Bindings.Memory;

namespace NativeFfn.Backends.Cpu.Memory;

/// <summary>Float32 memory outside the managed heap, on cache-line boundaries and in large pages where it fills some. Holding a reference keeps it from being freed.</summary>
internal sealed unsafe class NativeBuffer : SafeHandle
{
    /// <summary>Bytes: a cache line, and the widest vector.</summary>
    public const int Alignment = 64;

    /// <summary>Allocates memory, not cleared.</summary>
    /// <param name="elements">Floats; 0 gives a buffer that may not be read.</param>
    /// <param name="purpose">What it is for, in the message of a failure.</param>
    /// <exception cref="InsufficientMemoryException">The machine or the container does not have that much.</exception>
    public NativeBuffer(long elements, string purpose)
        : base(0, ownsHandle: true)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(elements);
        long bytes = checked(elements * sizeof(float));
        RequireRoom(bytes, purpose);
        try
        {
            bool large = bytes >= HugePages.Size;
            SetHandle((nint)NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, Alignment), (nuint)(large ? HugePages.Size : Alignment)));
            if (large)
            {
                // Whole pages only: what lies behind the buffer is not ours to advise on.
                HugePages.Advise((void*)handle, (nuint)(bytes / HugePages.Size * HugePages.Size));
            }
        }
        catch (OutOfMemoryException exception)
        {
            throw new InsufficientMemoryException($"{purpose} need {bytes} bytes, which the system did not give.", exception);
        }

        Elements = elements;
        ByteLength = bytes;
    }

    /// <summary>Floats.</summary>
    public long Elements { get; }

    /// <summary>Bytes.</summary>
    public long ByteLength { get; }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>The first float; to be used only while a reference is held.</summary>
    public float* Pointer => (float*)handle;

    /// <summary>Fails where the process may not use so much memory at all.</summary>
    /// <param name="bytes">Bytes.</param>
    /// <param name="purpose">What they are for, in the message.</param>
    /// <exception cref="InsufficientMemoryException">The machine or the container does not have that much.</exception>
    public static void RequireRoom(long bytes, string purpose)
    {
        // The system promises memory that it does not have and ends the process that touches it, so ask what there is.
        MemoryLimit limit = MemoryLimit.Process;
        if (bytes > limit.Bytes)
        {
            throw new InsufficientMemoryException($"{purpose} need {bytes} bytes; {limit.Source} has {limit.Bytes} in all.");
        }
    }

    /// <summary>Rounds a count of floats up to whole cache lines.</summary>
    public static long Align(long elements)
    {
        const int floats = Alignment / sizeof(float);
        return checked(elements + floats - 1) / floats * floats;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree((void*)handle);
        return true;
    }
}
