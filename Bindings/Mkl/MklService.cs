using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Mkl;

/// <summary>mkl_service.h: layers, threads, reproducibility and versions.</summary>
internal static unsafe partial class MklService
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

    [LibraryImport(Libraries.MklRt)]
    public static partial int MKL_CBWR_Get(int option);

    [LibraryImport(Libraries.MklRt)]
    public static partial int MKL_CBWR_Set(int setting);

    [LibraryImport(Libraries.MklRt)]
    public static partial int MKL_Set_Interface_Layer(int code);

    [LibraryImport(Libraries.MklRt)]
    public static partial int MKL_Set_Threading_Layer(int code);

    [LibraryImport(Libraries.MklRt)]
    public static partial int MKL_Set_Num_Threads_Local(int threads);

    [LibraryImport(Libraries.MklRt)]
    public static partial int MKL_Get_Max_Threads();

    [LibraryImport(Libraries.MklRt)]
    public static partial void MKL_Get_Version(MKLVersion* version);

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
