using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using NativeFfn.Backends.Cpu.Rows;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>Transposes a few rows, so that a kernel finds the elements of one column side by side.</summary>
internal static unsafe class Interleaving
{
    /// <summary>destination[column · size + row] = rows[row][column], and zero from count to filled.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="count">Rows; at most <paramref name="size"/>.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="destination">Receives size · columns elements.</param>
    /// <param name="size">Elements from one column to the next.</param>
    /// <param name="filled">Elements of a column that are written; at most <paramref name="size"/>.</param>
    public static void Interleave(RowSelection rows, int count, int columns, float* destination, int size, int filled)
    {
        if (size == 1)
        {
            new ReadOnlySpan<float>(rows[0], columns).CopyTo(new Span<float>(destination, columns));
            return;
        }

        int row = 0;
        for (; row <= count - 4; row += 4)
        {
            FourRows(rows[row], rows[row + 1], rows[row + 2], rows[row + 3], columns, destination + row, size);
        }

        for (; row < count; row++)
        {
            float* source = rows[row];
            float* target = destination + row;
            for (int column = 0; column < columns; column++, target += size)
            {
                *target = source[column];
            }
        }

        for (; row < filled; row++)
        {
            float* target = destination + row;
            for (int column = 0; column < columns; column++, target += size)
            {
                *target = 0;
            }
        }
    }

    private static void FourRows(float* row0, float* row1, float* row2, float* row3, int columns, float* destination, int size)
    {
        int column = 0;
        for (; column <= columns - 4; column += 4, destination += 4 * size)
        {
            Vector128<float> a = Vector128.Load(row0 + column);
            Vector128<float> b = Vector128.Load(row1 + column);
            Vector128<float> c = Vector128.Load(row2 + column);
            Vector128<float> d = Vector128.Load(row3 + column);
            Vector128<float> acLow = ZipLow(a, c);
            Vector128<float> bdLow = ZipLow(b, d);
            Vector128<float> acHigh = ZipHigh(a, c);
            Vector128<float> bdHigh = ZipHigh(b, d);
            Vector128.Store(ZipLow(acLow, bdLow), destination);
            Vector128.Store(ZipHigh(acLow, bdLow), destination + size);
            Vector128.Store(ZipLow(acHigh, bdHigh), destination + (2 * size));
            Vector128.Store(ZipHigh(acHigh, bdHigh), destination + (3 * size));
        }

        for (; column < columns; column++, destination += size)
        {
            Vector128.Store(Vector128.Create(row0[column], row1[column], row2[column], row3[column]), destination);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ZipLow(Vector128<float> left, Vector128<float> right) =>
        Sse.IsSupported ? Sse.UnpackLow(left, right)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(left, right)
        : Vector128.Create(left[0], right[0], left[1], right[1]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ZipHigh(Vector128<float> left, Vector128<float> right) =>
        Sse.IsSupported ? Sse.UnpackHigh(left, right)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(left, right)
        : Vector128.Create(left[2], right[2], left[3], right[3]);
}
