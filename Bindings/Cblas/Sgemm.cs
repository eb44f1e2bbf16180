namespace NativeFfn.Bindings.Cblas;

/// <summary>A CBLAS library's float32 product with its arguments proven: C = A · B, row-major.</summary>
/// <remarks>
/// cblas_sgemm reports a bad argument by printing, and may end the process, so none may reach it. Pointers are the caller's to vouch for:
/// they come from buffers whose lengths were checked against the same shapes. Safe for use by several threads at once.
/// </remarks>
internal static unsafe class Sgemm
{
    // CBLAS_LAYOUT and CBLAS_TRANSPOSE of cblas.h.
    private const int CblasRowMajor = 101;
    private const int CblasNoTrans = 111;
    private const int CblasTrans = 112;

    /// <summary>C[m, n] = A[m, k] · B, or C += that product.</summary>
    /// <param name="sgemm">cblas_sgemm of a library with 32-bit integers.</param>
    /// <param name="m">Rows of A and C; 0 or more.</param>
    /// <param name="n">Columns of C; 0 or more.</param>
    /// <param name="k">Columns of A; 1 or more.</param>
    /// <param name="a">A.</param>
    /// <param name="lda">Elements from one row of A to the next; at least k.</param>
    /// <param name="b">B.</param>
    /// <param name="ldb">Elements from one row of B as it is stored to the next; at least its columns.</param>
    /// <param name="transposed">Whether B is stored as <c>[n, k]</c>, as <c>nn.Linear</c> has weights; else as <c>[k, n]</c>.</param>
    /// <param name="c">C, which shares no element with A and B.</param>
    /// <param name="ldc">Elements from one row of C to the next; at least n.</param>
    /// <param name="accumulate">Whether C is added to; else it is overwritten and its old content, NaN included, is not read.</param>
    /// <exception cref="ArgumentOutOfRangeException">A dimension or stride is out of range, or a matrix passes the 32-bit limit.</exception>
    public static void Multiply(
        delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void> sgemm,
        int m, int n, int k, float* a, long lda, float* b, long ldb, bool transposed, float* c, long ldc, bool accumulate)
    {
        if (m == 0 || n == 0)
        {
            return;
        }

        int strideA = ProveMatrix(nameof(a), m, k, lda);
        int strideB = transposed ? ProveMatrix(nameof(b), n, k, ldb) : ProveMatrix(nameof(b), k, n, ldb);
        int strideC = ProveMatrix(nameof(c), m, n, ldc);
        float beta = accumulate ? 1f : 0f;
        sgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, m, n, k, 1f, a, strideA, b, strideB, beta, c, strideC);
    }

    // Strides and last indices must fit the 32-bit integers of the interface.
    private static int ProveMatrix(string name, int rows, int columns, long stride)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows, name);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns, name);
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, columns, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(checked(((rows - 1) * stride) + columns), int.MaxValue, name);

        // The stride of a single row is never walked; it may be wider than the interface can say.
        return rows == 1 ? columns : (int)stride;
    }
}
