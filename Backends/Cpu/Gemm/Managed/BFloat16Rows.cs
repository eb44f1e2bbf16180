using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>Rounds rows of tokens to bfloat16, to nearest even, two columns in a lane of 32 bits.</summary>
internal static unsafe class BFloat16Rows
{
    private const int Group = PanelFormat.GroupColumns;
    private const int Lanes = Group / 2;

    // What is less than half of the last place of the upper half, and a bit that keeps a NaN one.
    private const uint Rounding = 0x7FFF;
    private const uint Quiet = 0x0040_0000;

    /// <summary>Writes neighbouring groups of a tile.</summary>
    /// <param name="rows">The tokens' rows, from the first group on.</param>
    /// <param name="stride">Elements from one row to the next.</param>
    /// <param name="tokens">Tokens; at most <paramref name="size"/>, the rest of which is written as zeros.</param>
    /// <param name="columns">Columns; zeros fill the last group.</param>
    /// <param name="destination">The tile's first group.</param>
    /// <param name="size">Tokens of the tile.</param>
    [SkipLocalsInit]
    public static void Write(float* rows, long stride, int tokens, int columns, float* destination, int size)
    {
        float* last = stackalloc float[Group];
        float* groups = stackalloc float[size * Lanes];
        for (int column = 0; column < columns; column += Group, destination += size * Lanes)
        {
            int count = Math.Min(Group, columns - column);
            for (int token = 0; token < tokens; token++)
            {
                float* row = rows + (token * stride) + column;
                if (count < Group)
                {
                    new Span<float>(last, Group).Clear();
                    new ReadOnlySpan<float>(row, count).CopyTo(new Span<float>(last, Group));
                    row = last;
                }

                Round(row, (ushort*)(groups + (token * Lanes)));
            }

            Interleaving.Interleave(groups, Lanes, tokens, Lanes, destination, size, size);
        }
    }

    private static void Round(float* row, ushort* group)
    {
        for (int i = 0; i < Group; i += Vector512<ushort>.Count)
        {
            Vector512.Narrow(UpperHalf(Vector512.Load(row + i)), UpperHalf(Vector512.Load(row + i + Vector512<float>.Count))).Store(group + i);
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
