using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Bench.Subjects;

/// <summary>Native memory for what is no float32, on a cache line.</summary>
internal sealed unsafe class NativeBytes : SafeHandle
{
    private const nuint Alignment = 64;

    /// <summary>Allocates; the bytes are zero.</summary>
    /// <param name="length">Bytes.</param>
    public NativeBytes(long length)
        : base(0, ownsHandle: true)
    {
        Length = length;
        SetHandle((nint)NativeMemory.AlignedAlloc((nuint)length, Alignment));
        NativeMemory.Clear(Pointer, (nuint)length);
    }

    /// <summary>Bytes.</summary>
    public long Length { get; }

    /// <summary>The first byte; valid until the memory is disposed.</summary>
    public byte* Pointer => (byte*)handle;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree(Pointer);
        return true;
    }
}

/// <summary>What weights lose by an encoding.</summary>
internal static class LostWeights
{
    /// <summary>Compares weights before and after.</summary>
    public static QuantizationError Between(ReadOnlySpan<float> given, ReadOnlySpan<float> kept)
    {
        (double squared, double norm) = (0, 0);
        for (int i = 0; i < given.Length; i++)
        {
            double lost = (double)kept[i] - given[i];
            squared += lost * lost;
            norm += (double)given[i] * given[i];
        }

        return new QuantizationError(squared, norm);
    }
}
