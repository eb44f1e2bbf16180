using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.CuBlasLt;

/// <summary>cudaDataType of library_types.h.</summary>
internal enum CudaDataType
{
    /// <summary>CUDA_R_32F.</summary>
    Float32 = 0,

    /// <summary>CUDA_R_16F.</summary>
    Float16 = 2,

    /// <summary>CUDA_R_16BF.</summary>
    BFloat16 = 14,

    /// <summary>CUDA_R_8F_E4M3.</summary>
    Float8E4M3 = 28,
}

/// <summary>cublasComputeType_t of cublas_api.h, those that sum in float32.</summary>
internal enum CublasComputeType
{
    /// <summary>CUBLAS_COMPUTE_32F: float32 operands are multiplied as float32.</summary>
    Float32 = 68,

    /// <summary>CUBLAS_COMPUTE_32F_FAST_TF32: float32 operands are rounded to 10 bits of fraction.</summary>
    Tf32 = 77,
}

/// <summary>cublasLtEpilogue_t: what happens to a product before it is stored.</summary>
internal enum CublasLtEpilogue
{
    /// <summary>CUBLASLT_EPILOGUE_DEFAULT: nothing.</summary>
    Default = 1,

    /// <summary>CUBLASLT_EPILOGUE_RELU.</summary>
    Relu = 2,

    /// <summary>CUBLASLT_EPILOGUE_BIAS: a bias for each output channel.</summary>
    Bias = 4,

    /// <summary>CUBLASLT_EPILOGUE_RELU_BIAS: bias, then ReLU.</summary>
    ReluBias = Relu | Bias,

    /// <summary>CUBLASLT_EPILOGUE_GELU, in its tanh form.</summary>
    Gelu = 32,

    /// <summary>CUBLASLT_EPILOGUE_GELU_BIAS: bias, then GELU.</summary>
    GeluBias = Gelu | Bias,
}

/// <summary>cublasLtMatmulDescAttributes_t: the attributes that are set, here and below.</summary>
internal enum CublasLtMatmulDescAttribute
{
    TransA = 3,
    TransB = 4,
    Epilogue = 7,
    BiasPointer = 8,
    BiasDataType = 26,
}

/// <summary>cublasLtMatmulPreferenceAttributes_t.</summary>
internal enum CublasLtMatmulPreferenceAttribute
{
    MaxWorkspaceBytes = 1,
    ReductionSchemeMask = 3,
    MinAlignmentA = 5,
    MinAlignmentB = 6,
    MinAlignmentC = 7,
    MinAlignmentD = 8,
}

/// <summary>cublasLtMatmulAlgo_t: opaque, and plain data that may be copied and kept.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CuBlasLtAlgorithm
{
    public fixed ulong Data[8];
}

/// <summary>cublasLtMatmulHeuristicResult_t.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CuBlasLtHeuristicResult
{
    public CuBlasLtAlgorithm Algorithm;
    public nuint WorkspaceSize;
    public int State;
    public float WavesCount;
    public fixed int Reserved[4];
}
