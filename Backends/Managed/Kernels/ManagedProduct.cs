using System.Runtime.Intrinsics;
using NativeFfn.Backends.Cpu;
using NativeFfn.Backends.Cpu.Simd;

namespace NativeFfn.Backends.Managed.Kernels;

/// <summary>The product in C#, with the widest vectors of the processor.</summary>
internal sealed unsafe class ManagedProduct : IMatrixProduct
{
    public void Multiply(int m, int n, int k, float* a, long lda, float* b, long ldb, float* c, long ldc, bool accumulate)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            DotProductGemm<Simd512, Vector512<float>>.Multiply(m, n, k, a, lda, b, ldb, c, ldc, accumulate);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            DotProductGemm<Simd256, Vector256<float>>.Multiply(m, n, k, a, lda, b, ldb, c, ldc, accumulate);
        }
        else
        {
            DotProductGemm<Simd128, Vector128<float>>.Multiply(m, n, k, a, lda, b, ldb, c, ldc, accumulate);
        }
    }
}
