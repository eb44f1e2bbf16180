using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.CuBlasLt;

/// <summary>cublasLt.h: the library's functions, all of them there since CUDA 12.0. Raw: nothing is proven here.</summary>
/// <remarks>Every handle and descriptor is nint, size_t is nuint, attributes are int and cublasStatus_t is int.</remarks>
internal sealed unsafe class CuBlasLtFunctions(NativeSymbols symbols)
{
    private const string Remedy = "Install cuBLAS of CUDA 12.0 or newer.";

    public readonly delegate* unmanaged<nint*, int> cublasLtCreate =
        (delegate* unmanaged<nint*, int>)symbols.Find(nameof(cublasLtCreate), Remedy);
    public readonly delegate* unmanaged<nint, int> cublasLtDestroy =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cublasLtDestroy), Remedy);
    public readonly delegate* unmanaged<nuint> cublasLtGetVersion =
        (delegate* unmanaged<nuint>)symbols.Find(nameof(cublasLtGetVersion), Remedy);
    public readonly delegate* unmanaged<int, byte*> cublasLtGetStatusName =
        (delegate* unmanaged<int, byte*>)symbols.Find(nameof(cublasLtGetStatusName), Remedy);
    public readonly delegate* unmanaged<int, byte*> cublasLtGetStatusString =
        (delegate* unmanaged<int, byte*>)symbols.Find(nameof(cublasLtGetStatusString), Remedy);

    // Descriptors: the operation (compute type, scale type), a matrix (type, rows, columns, leading dimension), what is asked of algorithms.
    public readonly delegate* unmanaged<nint*, int, int, int> cublasLtMatmulDescCreate =
        (delegate* unmanaged<nint*, int, int, int>)symbols.Find(nameof(cublasLtMatmulDescCreate), Remedy);
    public readonly delegate* unmanaged<nint, int> cublasLtMatmulDescDestroy =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cublasLtMatmulDescDestroy), Remedy);
    public readonly delegate* unmanaged<nint, int, void*, nuint, int> cublasLtMatmulDescSetAttribute =
        (delegate* unmanaged<nint, int, void*, nuint, int>)symbols.Find(nameof(cublasLtMatmulDescSetAttribute), Remedy);
    public readonly delegate* unmanaged<nint*, int, ulong, ulong, long, int> cublasLtMatrixLayoutCreate =
        (delegate* unmanaged<nint*, int, ulong, ulong, long, int>)symbols.Find(nameof(cublasLtMatrixLayoutCreate), Remedy);
    public readonly delegate* unmanaged<nint, int> cublasLtMatrixLayoutDestroy =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cublasLtMatrixLayoutDestroy), Remedy);
    public readonly delegate* unmanaged<nint*, int> cublasLtMatmulPreferenceCreate =
        (delegate* unmanaged<nint*, int>)symbols.Find(nameof(cublasLtMatmulPreferenceCreate), Remedy);
    public readonly delegate* unmanaged<nint, int> cublasLtMatmulPreferenceDestroy =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cublasLtMatmulPreferenceDestroy), Remedy);
    public readonly delegate* unmanaged<nint, int, void*, nuint, int> cublasLtMatmulPreferenceSetAttribute =
        (delegate* unmanaged<nint, int, void*, nuint, int>)symbols.Find(nameof(cublasLtMatmulPreferenceSetAttribute), Remedy);

    // (handle, operation, A, B, C, D, preference, wanted, results, found)
    public readonly delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, CuBlasLtHeuristicResult*, int*, int>
        cublasLtMatmulAlgoGetHeuristic =
        (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, CuBlasLtHeuristicResult*, int*, int>)
        symbols.Find(nameof(cublasLtMatmulAlgoGetHeuristic), Remedy);

    // (handle, operation, A, B, C, D, algorithm, result)
    public readonly delegate* unmanaged<nint, nint, nint, nint, nint, nint, CuBlasLtAlgorithm*, CuBlasLtHeuristicResult*, int>
        cublasLtMatmulAlgoCheck =
        (delegate* unmanaged<nint, nint, nint, nint, nint, nint, CuBlasLtAlgorithm*, CuBlasLtHeuristicResult*, int>)
        symbols.Find(nameof(cublasLtMatmulAlgoCheck), Remedy);

    // (handle, operation, alpha, A, layout, B, layout, beta, C, layout, D, layout, algorithm, workspace, workspace bytes, stream)
    public readonly delegate* unmanaged<nint, nint, void*, nint, nint, nint, nint, void*, nint, nint, nint, nint, CuBlasLtAlgorithm*, nint, nuint, nint, int>
        cublasLtMatmul =
        (delegate* unmanaged<nint, nint, void*, nint, nint, nint, nint, void*, nint, nint, nint, nint, CuBlasLtAlgorithm*, nint, nuint, nint, int>)
        symbols.Find(nameof(cublasLtMatmul), Remedy);
}
