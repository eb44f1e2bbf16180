using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.CuBlasLt;

/// <summary>A descriptor of cuBLASLt: memory of the host that needs no context.</summary>
internal sealed unsafe class CuBlasLtDescriptor : SafeHandle
{
    private readonly CuBlasLtLibrary _library;
    private readonly delegate* unmanaged<nint, int> _destroy;
    private readonly delegate* unmanaged<nint, int, void*, nuint, int> _set;
    private readonly string _setName;

    // Attributes of a matrix are given when it is made, so it has nothing to set them by.
    private CuBlasLtDescriptor(
        CuBlasLtLibrary library, delegate* unmanaged<nint, int> destroy, delegate* unmanaged<nint, int, void*, nuint, int> set = null,
        string setName = "")
        : base(0, ownsHandle: true)
    {
        _library = library;
        _destroy = destroy;
        _set = set;
        _setName = setName;
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>The native descriptor.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    /// <summary>An operation; alpha and beta are float32 in the host's memory.</summary>
    public static CuBlasLtDescriptor Operation(CuBlasLtLibrary library, CublasComputeType compute)
    {
        CuBlasLtFunctions functions = library.Functions;
        var made = new CuBlasLtDescriptor(
            library, functions.cublasLtMatmulDescDestroy, functions.cublasLtMatmulDescSetAttribute,
            nameof(functions.cublasLtMatmulDescSetAttribute));
        nint native = 0;
        library.Check(functions.cublasLtMatmulDescCreate(&native, (int)compute, (int)CudaDataType.Float32));
        made.SetHandle(native);
        return made;
    }

    /// <summary>A matrix, column-major as BLAS has them.</summary>
    public static CuBlasLtDescriptor Layout(CuBlasLtLibrary library, CudaDataType type, long rows, long columns, long leadingDimension)
    {
        CuBlasLtFunctions functions = library.Functions;
        var made = new CuBlasLtDescriptor(library, functions.cublasLtMatrixLayoutDestroy);
        nint native = 0;
        library.Check(functions.cublasLtMatrixLayoutCreate(&native, (int)type, (ulong)rows, (ulong)columns, leadingDimension));
        made.SetHandle(native);
        return made;
    }

    /// <summary>What is asked of algorithms.</summary>
    public static CuBlasLtDescriptor Preference(CuBlasLtLibrary library)
    {
        CuBlasLtFunctions functions = library.Functions;
        var made = new CuBlasLtDescriptor(
            library, functions.cublasLtMatmulPreferenceDestroy, functions.cublasLtMatmulPreferenceSetAttribute,
            nameof(functions.cublasLtMatmulPreferenceSetAttribute));
        nint native = 0;
        library.Check(functions.cublasLtMatmulPreferenceCreate(&native));
        made.SetHandle(native);
        return made;
    }

    /// <summary>Sets an attribute, whose size the type of the value must have.</summary>
    public void Set<T>(CublasLtMatmulDescAttribute attribute, T value)
        where T : unmanaged => Set((int)attribute, value);

    /// <summary>Sets an attribute, whose size the type of the value must have.</summary>
    public void Set<T>(CublasLtMatmulPreferenceAttribute attribute, T value)
        where T : unmanaged => Set((int)attribute, value);

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => _destroy(handle) == CuBlasLtStatus.Success;

    private void Set<T>(int attribute, T value)
        where T : unmanaged => _library.Check(_set(Handle, attribute, &value, (nuint)sizeof(T)), _setName);
}
