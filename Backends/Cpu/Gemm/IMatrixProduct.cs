namespace NativeFfn.Backends.Cpu.Gemm;

/// <summary>A library's matrix product, on the calling thread.</summary>
internal unsafe interface IMatrixProduct
{
    /// <summary>C[m, n] = A[m, k] · B, or C += that product; row-major, strides in elements.</summary>
    /// <param name="m">Rows of A and C; 0 or more.</param>
    /// <param name="n">Columns of C; 0 or more.</param>
    /// <param name="k">Columns of A; 1 or more.</param>
    /// <param name="a">A.</param>
    /// <param name="lda">From one row of A to the next.</param>
    /// <param name="b">B.</param>
    /// <param name="ldb">From one row of B as it is stored to the next.</param>
    /// <param name="transposed">Whether B is stored as <c>[n, k]</c>, as checkpoints have weights; else as <c>[k, n]</c>.</param>
    /// <param name="c">C, sharing no element with A and B.</param>
    /// <param name="ldc">From one row of C to the next.</param>
    /// <param name="accumulate">Whether C is added to; else its old content is not read.</param>
    void Multiply(int m, int n, int k, float* a, long lda, float* b, long ldb, bool transposed, float* c, long ldc, bool accumulate);
}
