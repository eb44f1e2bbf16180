using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>Rounds rows of tokens to bfloat16, to nearest even, two columns in a lane of 32 bits.</summary>
internal static unsafe class BFloat16Rows
{
    // What is less than half of the last place of the upper half, and a bit that keeps a NaN one.
    private const uint Rounding = 0x7FFF;
    private const uint Quiet = 0x0040_0000;

    /// <summary>Writes a group of a token.</summary>
    /// <param name="row">Its <see cref="PanelFormat.GroupColumns"/> elements.</param>
    /// <param name="group">Receives half as many lanes.</param>
    public static void Write(float* row, float* group)
    {
        var halves = (ushort*)group;
        for (int i = 0; i < PanelFormat.GroupColumns; i += Vector512<ushort>.Count)
        {
            Vector512.Narrow(UpperHalf(Vector512.Load(row + i)), UpperHalf(Vector512.Load(row + i + Vector512<float>.Count))).Store(halves + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> UpperHalf(Vector512<float> values)
    {
        Vector512<uint> bits = values.AsUInt32();
        Vector512<uint> rounded = bits + Vector512.Create(Rounding) + ((bits >>> 16) & Vector512<uint>.One);
        return Vector512.ConditionalSelect(Vector512.Equals(values, values).AsUInt32(), rounded, bits | Vector512.Create(Quiet)) >>> 16;
    }
}
