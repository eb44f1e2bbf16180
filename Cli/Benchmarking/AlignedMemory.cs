using System.Runtime.InteropServices;

namespace NativeFfn.Cli.Benchmarking;

/// <summary>Native memory that starts on a cache line, so that no subject is slowed by where its operands happen to lie.</summary>
internal unsafe class AlignedMemory : SafeHandle
{
    // A cache line, and the width of the widest vectors.
    private const nuint Alignment = 64;

    /// <summary>Allocates; the bytes are zero.</summary>
    /// <param name="bytes">Bytes.</param>
    public AlignedMemory(nuint bytes)
        : base(0, ownsHandle: true)
    {
        void* memory = NativeMemory.AlignedAlloc(bytes, Alignment);
        NativeMemory.Clear(memory, bytes);
        SetHandle((nint)memory);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree((void*)handle);
        return true;
    }
}
