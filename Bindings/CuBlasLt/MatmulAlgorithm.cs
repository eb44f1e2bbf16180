namespace NativeFfn.Bindings.CuBlasLt;

/// <summary>One way to compute a product. Plain data, which may be kept with the library's version and the device's name.</summary>
internal struct MatmulAlgorithm
{
    /// <summary>cublasLtMatmulAlgo_t.</summary>
    public CuBlasLtAlgorithm Native;

    /// <summary>Device memory that it needs beside the matrices.</summary>
    public long WorkspaceBytes;

    /// <summary>How often the product fills the device: slightly more than a whole number wastes most.</summary>
    public float Waves;
}
