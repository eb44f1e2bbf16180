using System.Runtime.InteropServices;

namespace NativeFfn.Cli.Benchmarking;

/// <summary>Native memory that starts on a cache line, so that no subject is slowed by where its operands happen to lie.</summary>
internal sealed unsafe class AlignedFloats : SafeHandle
{
    // A cache line, and the width of the widest vectors.
    private const nuint Alignment = 64;

    /// <summary>Allocates; the elements are zero.</summary>
    /// <param name="length">Elements.</param>
    public AlignedFloats(int length)
        : base(0, ownsHandle: true)
    {
        Length = length;
        nuint bytes = (nuint)length * sizeof(float);
        SetHandle((nint)NativeMemory.AlignedAlloc(bytes, Alignment));
        NativeMemory.Clear(Pointer, bytes);
    }

    /// <summary>Elements.</summary>
    public int Length { get; }

    /// <summary>The first element; valid until the memory is disposed.</summary>
    public float* Pointer => (float*)handle;

    /// <summary>All elements.</summary>
    public Span<float> Span => new(Pointer, Length);

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree(Pointer);
        return true;
    }
}
