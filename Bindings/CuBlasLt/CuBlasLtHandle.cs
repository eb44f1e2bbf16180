using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Bindings.CuBlasLt;

/// <summary>
/// cublasLtHandle_t: cuBLASLt in one context. One for each stream, with a workspace of its own, makes results repeat to the bit.
/// </summary>
internal sealed unsafe class CuBlasLtHandle : CudaResource
{
    internal CuBlasLtHandle(CuBlasLtLibrary library, CudaContext context)
        : base(context, CudaKind.CuBlasLtHandle)
    {
        Library = library;
        using CudaContext.Scope scope = context.Enter();
        nint handle = 0;
        library.Check(library.Functions.cublasLtCreate(&handle));
        Own(handle);
    }

    /// <summary>The library that made it.</summary>
    public CuBlasLtLibrary Library { get; }

    // A failure has no CUresult to be kept by the context; it means that the context is gone or was never cuBLASLt's, which others report.

    /// <inheritdoc/>
    protected override void Free(nint made) => _ = Library.Functions.cublasLtDestroy(made);
}
