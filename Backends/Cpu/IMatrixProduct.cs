namespace NativeFfn.Backends.Cpu;

/// <summary>The one thing in which CPU backends differ: how C = A · Bᵀ is computed on the calling thread.</summary>
internal unsafe interface IMatrixProduct
{
    /// <summary>C[m, n] = A[m, k] · B[n, k]ᵀ, or C += that product; row-major, strides in elements.</summary>
    /// <param name="m">Rows of A and C; 0 or more.</param>
    /// <param name="n">Rows of B; 0 or more.</param>
    /// <param name="k">Columns of A and B; 1 or more.</param>
    /// <param name="a">A.</param>
    /// <param name="lda">From one row of A to the next.</param>
    /// <param name="b">B.</param>
    /// <param name="ldb">From one row of B to the next.</param>
    /// <param name="c">C, sharing no element with A and B.</param>
    /// <param name="ldc">From one row of C to the next.</param>
    /// <param name="accumulate">Whether C is added to; else its old content is not read.</param>
    void Multiply(int m, int n, int k, float* a, long lda, float* b, long ldb, float* c, long ldc, bool accumulate);
}
