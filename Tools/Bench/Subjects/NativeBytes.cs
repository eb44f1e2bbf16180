using NativeFfn.Backends.Encodings;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Subjects;

/// <summary>Native memory for what is no float32.</summary>
/// <param name="length">Bytes, which are zero.</param>
internal sealed unsafe class NativeBytes(long length) : AlignedMemory((nuint)length)
{
    /// <summary>Bytes.</summary>
    public long Length { get; } = length;

    /// <summary>The first byte; valid until the memory is disposed.</summary>
    public byte* Pointer => (byte*)handle;
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
