namespace NativeFfn.Backends.CuBlas.Gemm;

/// <summary>The use of a projection's result.</summary>
internal enum GemmUse
{
    /// <summary>A product for the activation kernels.</summary>
    Hidden,

    /// <summary>The next stage's operands: bias and activation are cuBLASLt's epilogue.</summary>
    Operands,

    /// <summary>float32 rows, without a bias.</summary>
    Result,

    /// <summary>float32 rows with the bias added by cuBLASLt's epilogue.</summary>
    BiasedResult,
}

/// <summary>Everything in which two GEMMs of one network may differ.</summary>
/// <param name="Stage">The stage.</param>
/// <param name="Tokens">Rows.</param>
/// <param name="Use">The use of the result.</param>
/// <param name="InputStride">Elements from one row of operands to the next.</param>
/// <param name="OutputStride">Elements from one row of results to the next.</param>
/// <param name="ResidualStride">Elements from one row to add to the next; 0 where nothing is added.</param>
/// <param name="Alignment">Bytes that every address is aligned to.</param>
internal readonly record struct GemmKey(
    int Stage, int Tokens, GemmUse Use, long InputStride, long OutputStride, long ResidualStride, int Alignment);
