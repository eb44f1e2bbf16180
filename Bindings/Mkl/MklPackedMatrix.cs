using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Mkl;

/// <summary>A right operand Bᵀ in MKL's packed layout, for products with one number of rows m.</summary>
/// <remarks>
/// Packing pays where MKL threads a product itself; inside a worker team it was measured even with plain sgemm at 1.4 times the memory,
/// so the backend multiplies plain weights and this stands by for measurements. Safe for use by several threads at once.
/// </remarks>
internal sealed unsafe class MklPackedMatrix : SafeHandle
{
    // MKL's recommended alignment, a cache line.
    private const nuint Alignment = 64;

    private readonly MklLibrary _library;
    private readonly int _m;
    private readonly int _n;
    private readonly int _k;

    /// <summary>Packs B[n, k] for products with m rows.</summary>
    /// <param name="library">MKL, loaded.</param>
    /// <param name="m">Rows of the products to come; positive.</param>
    /// <param name="n">Rows of B.</param>
    /// <param name="k">Columns of B.</param>
    /// <param name="b">B, row-major and contiguous.</param>
    /// <exception cref="ArgumentException"><paramref name="b"/> is not n · k long.</exception>
    public MklPackedMatrix(MklLibrary library, int m, int n, int k, ReadOnlySpan<float> b)
        : base(0, ownsHandle: true)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(m);
        int stride = MklSgemm.ProveMatrix(nameof(b), n, k, k);
        if (b.Length != (long)n * k)
        {
            throw new ArgumentException($"b has {b.Length} elements; [{n}, {k}] has {(long)n * k}.", nameof(b));
        }

        (_library, _m, _n, _k) = (library, m, n, k);
        ByteLength = Cblas.cblas_sgemm_pack_get_size(Cblas.CblasBMatrix, m, n, k);
        SetHandle((nint)NativeMemory.AlignedAlloc(ByteLength, Alignment));
        fixed (float* source = b)
        {
            Cblas.cblas_sgemm_pack(
                Cblas.CblasRowMajor, Cblas.CblasBMatrix, Cblas.CblasTrans, m, n, k, 1f, source, stride, (float*)handle);
        }
    }

    /// <summary>Bytes of the packed matrix.</summary>
    public nuint ByteLength { get; }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>C[m, n] = A[m, k] · B[n, k]ᵀ, contiguous and row-major.</summary>
    /// <exception cref="ArgumentException">A length does not fit, or the matrices overlap.</exception>
    /// <exception cref="ObjectDisposedException">The matrix was disposed.</exception>
    public void Multiply(ReadOnlySpan<float> a, Span<float> c)
    {
        if (a.Length != (long)_m * _k || c.Length != (long)_m * _n || a.Overlaps(c))
        {
            throw new ArgumentException($"A [{_m}, {_k}] and C [{_m}, {_n}] were {a.Length} and {c.Length} elements, or overlapped.");
        }

        bool held = false;
        try
        {
            DangerousAddRef(ref held);
            using MklLibrary.SingleThreadScope scope = _library.KeepToOneThread();
            fixed (float* left = a, product = c)
            {
                Cblas.cblas_sgemm_compute(
                    Cblas.CblasRowMajor, Cblas.CblasNoTrans, Cblas.CblasPacked, _m, _n, _k, left, _k, (float*)handle, _k, 0f, product, _n);
            }
        }
        finally
        {
            if (held)
            {
                DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree((void*)handle);
        return true;
    }
}
