using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>The inner loops of integer panels: some groups of columns of a panel by as many columns of a few tokens.</summary>
/// <remarks>
/// Products of a group, or of a part of it that has scales of its own, are added as integers, exactly, in one accumulator for each token and
/// vector (s{token}{vector}); its sum times both scales, and of rows that count from an offset that times the sum of the elements, is added to the token's float32 sum, group after group, so that a token's bits do not depend on the tile. Float sums stay in
/// the first-level cache, as integers need all registers. Written out, because accumulators in an array would live there as well.
/// </remarks>
internal static unsafe class IntegerTiles<TElement, TScales, TSimd, TVector>
    where TElement : struct, IIntegerElement<TSimd, TVector>
    where TScales : struct, IIntegerScales<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    private static int PartBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TScales.Bytes + (Blocks * BlockBytes);
    }

    private static int Numbers
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TokenForm.NumbersOf(TElement.Zero, TScales.Parts);
    }

    private static int Blocks
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => PanelFormat.GroupColumns / TScales.Parts / TElement.BlockColumns;
    }

    private static int BlockBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 2 * VectorBytes;
    }

    private static int VectorBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TSimd.Count * sizeof(float);
    }

    /// <summary>One token of a tile of <paramref name="size"/>: <c>tile[token, row] += Σ panel[row, column] · tokens[column, token]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One(int groups, byte* panel, float* tokens, int size, byte* next, int lines, float* tile)
    {
        for (int parts = groups * TScales.Parts; parts > 0; parts--)
        {
            PanelFormat.Prefetch(next, lines);
            next += lines * PanelFormat.LineBytes;
            byte* block = panel + TScales.Bytes;
            TVector s00 = TSimd.Zero, s01 = TSimd.Zero;
            for (int i = 0; i < Blocks; i++)
            {
                TVector w0 = TElement.First(block), w1 = TElement.First(block + VectorBytes);
                Add(tokens, w0, w1, ref s00, ref s01);
                tokens += size;
                w0 = TElement.Second(block);
                w1 = TElement.Second(block + VectorBytes);
                Add(tokens, w0, w1, ref s00, ref s01);
                tokens += size;
                if (TElement.Steps == 4)
                {
                    w0 = TElement.Third(block);
                    w1 = TElement.Third(block + VectorBytes);
                    Add(tokens, w0, w1, ref s00, ref s01);
                    tokens += size;
                    w0 = TElement.Fourth(block);
                    w1 = TElement.Fourth(block + VectorBytes);
                    Add(tokens, w0, w1, ref s00, ref s01);
                    tokens += size;
                }

                block += BlockBytes;
            }

            float* numbers = NumbersOf(tokens, size, parts);
            TScales.Load(panel, out TVector scale0, out TVector scale1);
            TScales.LoadOffsets(panel, out TVector offset0, out TVector offset1);
            Finish(numbers, size, parts, s00, s01, scale0, scale1, offset0, offset1, tile);
            tokens = numbers == tokens ? numbers + (Numbers * size) : tokens;
            panel += PartBytes;
        }
    }

    /// <summary>Two tokens of a tile of <paramref name="size"/>: <c>tile[token, row] += Σ panel[row, column] · tokens[column, token]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Two(int groups, byte* panel, float* tokens, int size, byte* next, int lines, float* tile)
    {
        for (int parts = groups * TScales.Parts; parts > 0; parts--)
        {
            PanelFormat.Prefetch(next, lines);
            next += lines * PanelFormat.LineBytes;
            byte* block = panel + TScales.Bytes;
            TVector s00 = TSimd.Zero, s01 = TSimd.Zero;
            TVector s10 = TSimd.Zero, s11 = TSimd.Zero;
            for (int i = 0; i < Blocks; i++)
            {
                TVector w0 = TElement.First(block), w1 = TElement.First(block + VectorBytes);
                Add(tokens, w0, w1, ref s00, ref s01);
                Add(tokens + 1, w0, w1, ref s10, ref s11);
                tokens += size;
                w0 = TElement.Second(block);
                w1 = TElement.Second(block + VectorBytes);
                Add(tokens, w0, w1, ref s00, ref s01);
                Add(tokens + 1, w0, w1, ref s10, ref s11);
                tokens += size;
                if (TElement.Steps == 4)
                {
                    w0 = TElement.Third(block);
                    w1 = TElement.Third(block + VectorBytes);
                    Add(tokens, w0, w1, ref s00, ref s01);
                    Add(tokens + 1, w0, w1, ref s10, ref s11);
                    tokens += size;
                    w0 = TElement.Fourth(block);
                    w1 = TElement.Fourth(block + VectorBytes);
                    Add(tokens, w0, w1, ref s00, ref s01);
                    Add(tokens + 1, w0, w1, ref s10, ref s11);
                    tokens += size;
                }

                block += BlockBytes;
            }

            float* numbers = NumbersOf(tokens, size, parts);
            TScales.Load(panel, out TVector scale0, out TVector scale1);
            TScales.LoadOffsets(panel, out TVector offset0, out TVector offset1);
            Finish(numbers, size, parts, s00, s01, scale0, scale1, offset0, offset1, tile);
            Finish(numbers + 1, size, parts, s10, s11, scale0, scale1, offset0, offset1, tile + (2 * TSimd.Count));
            tokens = numbers == tokens ? numbers + (Numbers * size) : tokens;
            panel += PartBytes;
        }
    }

    /// <summary>Four tokens of a tile of <paramref name="size"/>: <c>tile[token, row] += Σ panel[row, column] · tokens[column, token]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Four(int groups, byte* panel, float* tokens, int size, byte* next, int lines, float* tile)
    {
        for (int parts = groups * TScales.Parts; parts > 0; parts--)
        {
            PanelFormat.Prefetch(next, lines);
            next += lines * PanelFormat.LineBytes;
            byte* block = panel + TScales.Bytes;
            TVector s00 = TSimd.Zero, s01 = TSimd.Zero;
            TVector s10 = TSimd.Zero, s11 = TSimd.Zero;
            TVector s20 = TSimd.Zero, s21 = TSimd.Zero;
            TVector s30 = TSimd.Zero, s31 = TSimd.Zero;
            for (int i = 0; i < Blocks; i++)
            {
                TVector w0 = TElement.First(block), w1 = TElement.First(block + VectorBytes);
                Add(tokens, w0, w1, ref s00, ref s01);
                Add(tokens + 1, w0, w1, ref s10, ref s11);
                Add(tokens + 2, w0, w1, ref s20, ref s21);
                Add(tokens + 3, w0, w1, ref s30, ref s31);
                tokens += size;
                w0 = TElement.Second(block);
                w1 = TElement.Second(block + VectorBytes);
                Add(tokens, w0, w1, ref s00, ref s01);
                Add(tokens + 1, w0, w1, ref s10, ref s11);
                Add(tokens + 2, w0, w1, ref s20, ref s21);
                Add(tokens + 3, w0, w1, ref s30, ref s31);
                tokens += size;
                if (TElement.Steps == 4)
                {
                    w0 = TElement.Third(block);
                    w1 = TElement.Third(block + VectorBytes);
                    Add(tokens, w0, w1, ref s00, ref s01);
                    Add(tokens + 1, w0, w1, ref s10, ref s11);
                    Add(tokens + 2, w0, w1, ref s20, ref s21);
                    Add(tokens + 3, w0, w1, ref s30, ref s31);
                    tokens += size;
                    w0 = TElement.Fourth(block);
                    w1 = TElement.Fourth(block + VectorBytes);
                    Add(tokens, w0, w1, ref s00, ref s01);
                    Add(tokens + 1, w0, w1, ref s10, ref s11);
                    Add(tokens + 2, w0, w1, ref s20, ref s21);
                    Add(tokens + 3, w0, w1, ref s30, ref s31);
                    tokens += size;
                }

                block += BlockBytes;
            }

            float* numbers = NumbersOf(tokens, size, parts);
            TScales.Load(panel, out TVector scale0, out TVector scale1);
            TScales.LoadOffsets(panel, out TVector offset0, out TVector offset1);
            Finish(numbers, size, parts, s00, s01, scale0, scale1, offset0, offset1, tile);
            Finish(numbers + 1, size, parts, s10, s11, scale0, scale1, offset0, offset1, tile + (2 * TSimd.Count));
            Finish(numbers + 2, size, parts, s20, s21, scale0, scale1, offset0, offset1, tile + (4 * TSimd.Count));
            Finish(numbers + 3, size, parts, s30, s31, scale0, scale1, offset0, offset1, tile + (6 * TSimd.Count));
            tokens = numbers == tokens ? numbers + (Numbers * size) : tokens;
            panel += PartBytes;
        }
    }

    /// <summary>Six tokens of a tile of <paramref name="size"/>: <c>tile[token, row] += Σ panel[row, column] · tokens[column, token]</c>.</summary>
    /// <remarks>Each step has its own loop: all 16 registers of AVX2 are taken, and what is read of a block once would have to be kept.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Six(int groups, byte* panel, float* tokens, int size, byte* next, int lines, float* tile)
    {
        for (int parts = groups * TScales.Parts; parts > 0; parts--)
        {
            PanelFormat.Prefetch(next, lines);
            next += lines * PanelFormat.LineBytes;
            byte* end = panel + PartBytes;
            TVector s00 = TSimd.Zero, s01 = TSimd.Zero;
            TVector s10 = TSimd.Zero, s11 = TSimd.Zero;
            TVector s20 = TSimd.Zero, s21 = TSimd.Zero;
            TVector s30 = TSimd.Zero, s31 = TSimd.Zero;
            TVector s40 = TSimd.Zero, s41 = TSimd.Zero;
            TVector s50 = TSimd.Zero, s51 = TSimd.Zero;
            float* token = tokens;
            for (byte* block = panel + TScales.Bytes; block < end; block += BlockBytes, token += TElement.Steps * size)
            {
                TVector w0 = TElement.First(block), w1 = TElement.First(block + VectorBytes);
                Add(token, w0, w1, ref s00, ref s01);
                Add(token + 1, w0, w1, ref s10, ref s11);
                Add(token + 2, w0, w1, ref s20, ref s21);
                Add(token + 3, w0, w1, ref s30, ref s31);
                Add(token + 4, w0, w1, ref s40, ref s41);
                Add(token + 5, w0, w1, ref s50, ref s51);
            }

            token = tokens + size;
            for (byte* block = panel + TScales.Bytes; block < end; block += BlockBytes, token += TElement.Steps * size)
            {
                TVector w0 = TElement.Second(block), w1 = TElement.Second(block + VectorBytes);
                Add(token, w0, w1, ref s00, ref s01);
                Add(token + 1, w0, w1, ref s10, ref s11);
                Add(token + 2, w0, w1, ref s20, ref s21);
                Add(token + 3, w0, w1, ref s30, ref s31);
                Add(token + 4, w0, w1, ref s40, ref s41);
                Add(token + 5, w0, w1, ref s50, ref s51);
            }

            if (TElement.Steps == 4)
            {
                token = tokens + (2 * size);
                for (byte* block = panel + TScales.Bytes; block < end; block += BlockBytes, token += TElement.Steps * size)
                {
                    TVector w0 = TElement.Third(block), w1 = TElement.Third(block + VectorBytes);
                    Add(token, w0, w1, ref s00, ref s01);
                    Add(token + 1, w0, w1, ref s10, ref s11);
                    Add(token + 2, w0, w1, ref s20, ref s21);
                    Add(token + 3, w0, w1, ref s30, ref s31);
                    Add(token + 4, w0, w1, ref s40, ref s41);
                    Add(token + 5, w0, w1, ref s50, ref s51);
                }

                token = tokens + (3 * size);
                for (byte* block = panel + TScales.Bytes; block < end; block += BlockBytes, token += TElement.Steps * size)
                {
                    TVector w0 = TElement.Fourth(block), w1 = TElement.Fourth(block + VectorBytes);
                    Add(token, w0, w1, ref s00, ref s01);
                    Add(token + 1, w0, w1, ref s10, ref s11);
                    Add(token + 2, w0, w1, ref s20, ref s21);
                    Add(token + 3, w0, w1, ref s30, ref s31);
                    Add(token + 4, w0, w1, ref s40, ref s41);
                    Add(token + 5, w0, w1, ref s50, ref s51);
                }
            }

            tokens += Blocks * TElement.Steps * size;
            float* numbers = NumbersOf(tokens, size, parts);
            TScales.Load(panel, out TVector scale0, out TVector scale1);
            TScales.LoadOffsets(panel, out TVector offset0, out TVector offset1);
            Finish(numbers, size, parts, s00, s01, scale0, scale1, offset0, offset1, tile);
            Finish(numbers + 1, size, parts, s10, s11, scale0, scale1, offset0, offset1, tile + (2 * TSimd.Count));
            Finish(numbers + 2, size, parts, s20, s21, scale0, scale1, offset0, offset1, tile + (4 * TSimd.Count));
            Finish(numbers + 3, size, parts, s30, s31, scale0, scale1, offset0, offset1, tile + (6 * TSimd.Count));
            Finish(numbers + 4, size, parts, s40, s41, scale0, scale1, offset0, offset1, tile + (8 * TSimd.Count));
            Finish(numbers + 5, size, parts, s50, s51, scale0, scale1, offset0, offset1, tile + (10 * TSimd.Count));
            tokens = numbers == tokens ? numbers + (Numbers * size) : tokens;
            panel = end;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* token, TVector w0, TVector w1, ref TVector s0, ref TVector s1)
    {
        TVector x = TSimd.LoadAndBroadcast(token);
        s0 = TElement.Add(s0, w0, x);
        s1 = TElement.Add(s1, w1, x);
    }

    // Behind the lanes of the parts that follow in the group.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* NumbersOf(float* tokens, int size, int parts) =>
        tokens + ((parts - 1) % TScales.Parts * Blocks * TElement.Steps * size);

    // numbers[0] is the token's scale, numbers[size] its scale · Σ integers, and from numbers[2 · size] on of each part the integer -zero · Σ integers.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(
        float* numbers, int size, int parts, TVector s0, TVector s1, TVector scale0, TVector scale1, TVector offset0, TVector offset1, float* row)
    {
        TVector scale = TSimd.LoadAndBroadcast(numbers);
        s0 = TElement.Sum(s0);
        s1 = TElement.Sum(s1);
        if (TElement.Zero != 0)
        {
            TVector start = TSimd.LoadAndBroadcast(numbers + ((1 + TScales.Parts - ((parts - 1) % TScales.Parts)) * size));
            s0 = TSimd.AddIntegers(s0, start);
            s1 = TSimd.AddIntegers(s1, start);
        }

        TVector sum0 = TSimd.Multiply(TSimd.ToSingle(s0), scale);
        TVector sum1 = TSimd.Multiply(TSimd.ToSingle(s1), scale);
        sum0 = TSimd.MultiplyAdd(sum0, scale0, TSimd.Load(row));
        sum1 = TSimd.MultiplyAdd(sum1, scale1, TSimd.Load(row + TSimd.Count));
        if (TScales.HasOffsets)
        {
            TVector elements = TSimd.LoadAndBroadcast(numbers + size);
            sum0 = TSimd.MultiplyAdd(offset0, elements, sum0);
            sum1 = TSimd.MultiplyAdd(offset1, elements, sum1);
        }

        TSimd.Store(sum0, row);
        TSimd.Store(sum1, row + TSimd.Count);
    }
}
