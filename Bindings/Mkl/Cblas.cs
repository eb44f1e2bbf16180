using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Mkl;

/// <summary>mkl_cblas.h, LP64: the products of float32 matrices that the backend uses. Raw; <see cref="MklSgemm"/> proves arguments.</summary>
internal static unsafe partial class Cblas
{
    /// <summary>CBLAS_LAYOUT.</summary>
    public const int CblasRowMajor = 101;

    /// <summary>CBLAS_TRANSPOSE.</summary>
    public const int CblasNoTrans = 111;

    /// <summary>CBLAS_TRANSPOSE.</summary>
    public const int CblasTrans = 112;

    /// <summary>CBLAS_STORAGE: the operand was packed.</summary>
    public const int CblasPacked = 151;

    /// <summary>CBLAS_IDENTIFIER: the left operand.</summary>
    public const int CblasAMatrix = 161;

    /// <summary>CBLAS_IDENTIFIER: the right operand.</summary>
    public const int CblasBMatrix = 162;

    [LibraryImport(Libraries.MklRt)]
    public static partial void cblas_sgemm(
        int layout, int transA, int transB, int m, int n, int k,
        float alpha, float* a, int lda, float* b, int ldb, float beta, float* c, int ldc);

    [LibraryImport(Libraries.MklRt)]
    public static partial nuint cblas_sgemm_pack_get_size(int identifier, int m, int n, int k);

    [LibraryImport(Libraries.MklRt)]
    public static partial void cblas_sgemm_pack(
        int layout, int identifier, int trans, int m, int n, int k, float alpha, float* source, int ld, float* destination);

    [LibraryImport(Libraries.MklRt)]
    public static partial void cblas_sgemm_compute(
        int layout, int transA, int transB, int m, int n, int k,
        float* a, int lda, float* b, int ldb, float beta, float* c, int ldc);
}
