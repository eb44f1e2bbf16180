using NativeFfn.Backends.Cpu.Simd;

namespace NativeFfn.Backends.Managed.Kernels;

/// <summary>C = A · Bᵀ as dot products of rows, both of which lie contiguous as checkpoints store them: nothing is packed.</summary>
/// <remarks>
/// A tile is 4 rows of B by a few rows of A, one accumulator each; while it is computed, the rows of a later tile are asked of memory.
/// Rows are cut into blocks that stay in the first-level cache while a tile reads them, and rows of A into blocks that stay in the
/// second-level cache while all of B passes by. Every element of C is the same sum in the same order whatever tile or slice it falls
/// into, so the result does not depend on how work is divided.
/// </remarks>
internal static unsafe class DotProductGemm<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    // Elements of a row per pass: 4 rows of B and 4 of A take 32 KiB, the first-level cache of every x86-64 server.
    private const int BlockColumns = 1024;

    // Rows of A per pass: 64 · 4 KiB fill half of the smallest second-level cache in use, 512 KiB.
    private const int BlockRows = 64;

    private const int TileRows = 4;

    // Rows from the tile that is computed to the one that is asked of memory: at one token a tile takes less time than memory's answer.
    private const int RowsAhead = 2 * TileRows;

    public static void Multiply(int m, int n, int k, float* a, long lda, float* b, long ldb, float* c, long ldc, bool accumulate)
    {
        for (int row = 0; row < m; row += BlockRows)
        {
            int rows = Math.Min(BlockRows, m - row);
            for (int column = 0; column < k; column += BlockColumns)
            {
                int columns = Math.Min(BlockColumns, k - column);
                MultiplyBlock(
                    rows, n, columns, a + (row * lda) + column, lda, b + column, ldb, c + (row * ldc), ldc, accumulate || column > 0);
            }
        }
    }

    private static void MultiplyBlock(int m, int n, int k, float* a, long lda, float* b, long ldb, float* c, long ldc, bool accumulate)
    {
        int j = 0;
        for (; j <= n - TileRows; j += TileRows)
        {
            float* weights = b + (j * ldb);
            float* next = j + RowsAhead <= n - TileRows ? weights + (RowsAhead * ldb) : null;
            MultiplyTiles(m, k, a, lda, weights, ldb, next, c + j, ldc, accumulate);
        }

        for (; j < n; j++)
        {
            for (int i = 0; i < m; i++)
            {
                DotProductTiles<TSimd, TVector>.OneByOne(k, a + (i * lda), b + (j * ldb), c + (i * ldc) + j, accumulate);
            }
        }
    }

    private static void MultiplyTiles(
        int m, int k, float* a, long lda, float* weights, long ldb, float* next, float* c, long ldc, bool accumulate)
    {
        // A later tile's rows are asked for by as many of this one's steps as possible, so that memory and arithmetic work side by side.
        int steps = (m + TSimd.TileTokens - 1) / TSimd.TileTokens;
        int rowsAtATime = next == null ? 0 : steps >= TileRows ? 1 : steps > 1 ? 2 : TileRows;
        int asked = 0;
        int i = 0;
        while (i < m)
        {
            int rows = asked < TileRows ? rowsAtATime : 0;
            float* wanted = next + (asked * ldb);
            asked += rows;
            float* tokens = a + (i * lda);
            float* results = c + (i * ldc);
            int left = m - i;
            if (TSimd.TileTokens == 4 && left >= 4)
            {
                DotProductTiles<TSimd, TVector>.FourByFour(k, tokens, lda, weights, ldb, wanted, rows, results, ldc, accumulate);
                i += 4;
            }
            else if (left >= 3)
            {
                DotProductTiles<TSimd, TVector>.FourByThree(k, tokens, lda, weights, ldb, wanted, rows, results, ldc, accumulate);
                i += 3;
            }
            else if (left == 2)
            {
                DotProductTiles<TSimd, TVector>.FourByTwo(k, tokens, lda, weights, ldb, wanted, rows, results, ldc, accumulate);
                i += 2;
            }
            else
            {
                DotProductTiles<TSimd, TVector>.FourByOne(k, tokens, weights, ldb, wanted, rows, results, accumulate);
                i++;
            }
        }
    }
}
