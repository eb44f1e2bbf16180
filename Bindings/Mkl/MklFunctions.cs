using System.Runtime.InteropServices;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Mkl;

/// <summary>mkl_cblas.h and mkl_service.h, LP64: MKL's functions. Raw: <see cref="Cblas.Sgemm"/> proves arguments.</summary>
/// <remarks>Enumerations are int. Only <see cref="MklLibrary"/> hands the table out, after every file of MKL was loaded.</remarks>
internal sealed unsafe class MklFunctions(NativeSymbols symbols)
{
    /// <summary>MKL_INTERFACE_LP64: dimensions are 32-bit.</summary>
    public const int InterfaceLp64 = 0;

    /// <summary>MKL_THREADING_SEQUENTIAL: MKL starts no threads.</summary>
    public const int ThreadingSequential = 1;

    /// <summary>MKL_CBWR_ALL: asks for the whole setting.</summary>
    public const int CbwrAll = ~0;

    /// <summary>MKL_CBWR_BRANCH_OFF: nobody has asked for repeatable bits.</summary>
    public const int CbwrBranchOff = 1;

    /// <summary>MKL_CBWR_AUTO: the processor's own kernels, with bits that do not depend on where operands lie in memory.</summary>
    public const int CbwrAuto = 2;

    /// <summary>MKL_CBWR_SUCCESS.</summary>
    public const int CbwrSuccess = 0;

    private const string Remedy = "Install MKL 2018 or newer.";

    // (layout, op A, op B, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc)
    public readonly delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void> cblas_sgemm =
        (delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void>)
        symbols.Find(nameof(cblas_sgemm), Remedy);

    public readonly delegate* unmanaged<int, int> MKL_CBWR_Get = (delegate* unmanaged<int, int>)symbols.Find(nameof(MKL_CBWR_Get), Remedy);
    public readonly delegate* unmanaged<int, int> MKL_CBWR_Set = (delegate* unmanaged<int, int>)symbols.Find(nameof(MKL_CBWR_Set), Remedy);
    public readonly delegate* unmanaged<int, int> MKL_Set_Interface_Layer =
        (delegate* unmanaged<int, int>)symbols.Find(nameof(MKL_Set_Interface_Layer), Remedy);
    public readonly delegate* unmanaged<int, int> MKL_Set_Threading_Layer =
        (delegate* unmanaged<int, int>)symbols.Find(nameof(MKL_Set_Threading_Layer), Remedy);
    public readonly delegate* unmanaged<int, int> MKL_Set_Num_Threads_Local =
        (delegate* unmanaged<int, int>)symbols.Find(nameof(MKL_Set_Num_Threads_Local), Remedy);
    public readonly delegate* unmanaged<MKLVersion*, void> MKL_Get_Version =
        (delegate* unmanaged<MKLVersion*, void>)symbols.Find(nameof(MKL_Get_Version), Remedy);

    /// <summary>MKLVersion of mkl_types.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct MKLVersion
    {
        public int MajorVersion;
        public int MinorVersion;
        public int UpdateVersion;
        public byte* ProductStatus;
        public byte* Build;
        public byte* Processor;
        public byte* Platform;
    }
}
