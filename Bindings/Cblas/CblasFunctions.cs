using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Cblas;

/// <summary>cblas.h with 32-bit integers, and what some libraries have beside it. Raw: <see cref="Sgemm"/> proves arguments.</summary>
/// <remarks>Enumerations are int. What only some libraries have is null in others.</remarks>
internal sealed unsafe class CblasFunctions(NativeSymbols symbols)
{
    private const string Remedy = "Name a BLAS with the C interface and 32-bit integers, such as OpenBLAS or BLIS.";

    // (layout, op A, op B, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc)
    public readonly delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void> cblas_sgemm =
        (delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void>)
        symbols.Find(nameof(cblas_sgemm), Remedy);

    // OpenBLAS, cblas.h: the version and how it was built; 0 for serial, 1 for threads of its own, 2 for OpenMP.
    public readonly delegate* unmanaged<byte*> openblas_get_config = (delegate* unmanaged<byte*>)Optional(symbols, nameof(openblas_get_config));
    public readonly delegate* unmanaged<int> openblas_get_parallel = (delegate* unmanaged<int>)Optional(symbols, nameof(openblas_get_parallel));
    public readonly delegate* unmanaged<int> openblas_get_num_threads =
        (delegate* unmanaged<int>)Optional(symbols, nameof(openblas_get_num_threads));
    public readonly delegate* unmanaged<int, void> openblas_set_num_threads =
        (delegate* unmanaged<int, void>)Optional(symbols, nameof(openblas_set_num_threads));

    // BLIS and AMD's AOCL, blis.h. Its dim_t is as wide as a pointer unless it was built otherwise.
    public readonly delegate* unmanaged<byte*> bli_info_get_version_str =
        (delegate* unmanaged<byte*>)Optional(symbols, nameof(bli_info_get_version_str));
    public readonly delegate* unmanaged<nint> bli_info_get_blas_int_type_size =
        (delegate* unmanaged<nint>)Optional(symbols, nameof(bli_info_get_blas_int_type_size));
    public readonly delegate* unmanaged<nint> bli_thread_get_num_threads =
        (delegate* unmanaged<nint>)Optional(symbols, nameof(bli_thread_get_num_threads));
    public readonly delegate* unmanaged<nint, void> bli_thread_set_num_threads =
        (delegate* unmanaged<nint, void>)Optional(symbols, nameof(bli_thread_set_num_threads));

    // omp.h of the runtime that the library was linked with: threads of the calling thread's next parallel region.
    public readonly delegate* unmanaged<int> omp_get_max_threads = (delegate* unmanaged<int>)Optional(symbols, nameof(omp_get_max_threads));
    public readonly delegate* unmanaged<int, void> omp_set_num_threads =
        (delegate* unmanaged<int, void>)Optional(symbols, nameof(omp_set_num_threads));

    // mkl_service.h, to know MKL by.
    public readonly nint MKL_Get_Version = Optional(symbols, nameof(MKL_Get_Version));

    private static nint Optional(NativeSymbols symbols, string name) => symbols.TryFind(name, out nint address) ? address : 0;
}
