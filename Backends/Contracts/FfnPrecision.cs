using System.Runtime.Serialization;

namespace NativeFfn;

/// <summary>How an engine keeps the matrices of its layers in memory. Inputs, outputs, sums, biases and norms are float32 in all of them.</summary>
/// <remarks>
/// The CPU backends multiply weights of 16 bits and more, and those that are stored, with float32 rows, so that nothing but the weights loses
/// digits; in <see cref="BFloat16"/> on a processor that multiplies such, rows are rounded as well. In the precisions of integers rows become integers too, which processors multiply faster: of 16 bits where the precision's name
/// has the weights alone. A GPU's matrix units want both sides alike: cuBLAS rounds every projection's input, and what lies between two
/// projections, to the precision too.
/// </remarks>
public enum FfnPrecision
{
    /// <summary>float32 for a checkpoint of floats, <see cref="Stored"/> for one that is quantised. cuBLAS keeps float32 of both.</summary>
    Auto,

    /// <summary>
    /// As the checkpoint has them, whatever that is: blocks of a quantised file stay as they lie there, bf16 stays bf16, and the numbers are
    /// those of the weights that are stored, in float32 arithmetic. Weights given as numbers are float32, and so is what cuBLAS keeps.
    /// </summary>
    Stored,

    /// <summary>float32, 4 bytes a weight: what a checkpoint of any type holds, exactly.</summary>
    [EnumMember(Value = "f32")]
    Float32,

    /// <summary>
    /// bfloat16, 2 bytes a weight, rounded to nearest even: exact for a bf16 checkpoint, else a relative error up to 2⁻⁹ a weight. Where a CPU
    /// multiplies bfloat16 faster than float32, rows are rounded so too: by AMX, or by AVX512_BF16 unless it is Intel's since Sapphire Rapids.
    /// </summary>
    [EnumMember(Value = "bf16")]
    BFloat16,

    /// <summary>
    /// IEEE half precision, 2 bytes a weight, rounded to nearest even: exact for an f16 checkpoint, else a relative error up to 2⁻¹² a weight
    /// from 2⁻¹⁴ on. Weights beyond 65504, NaN and infinities are refused.
    /// </summary>
    [EnumMember(Value = "f16")]
    Float16,

    /// <summary>
    /// 8-bit integers with a float32 scale for each 32 neighbouring weights of a row, 1.125 bytes a weight: w ≈ scale · q with
    /// scale = max|w| / 127 of the group. About 0.5 % relative error on Gaussian weights. NaN, infinities and the very largest of floats are refused.
    /// Rows are multiplied as 16-bit integers, 32 elements to a scale, which is next to nothing beside the weights: 2e-5, at most 5e-5.
    /// </summary>
    Int8,

    /// <summary>
    /// 4-bit integers with a bfloat16 scale for each 32 neighbouring weights of a row, chosen for the least squared error: w ≈ scale · q, q from
    /// -8 to 7. 0.5625 bytes a weight; about 9 % relative error on Gaussian weights. NaN and infinities are refused. Rows as in <see cref="Int8"/>.
    /// </summary>
    Int4,

    /// <summary>
    /// Weights as in <see cref="Int8"/>, and rows rounded to 8-bit integers too, a scale for each 32 elements: a relative error of about 0.5 %,
    /// 1.3 % at most; what stands beside an element a hundred times as large is lost. On a CPU only.
    /// </summary>
    [EnumMember(Value = "w8a8")]
    W8A8,

    /// <summary>Weights as in <see cref="Int4"/>, rows as in <see cref="W8A8"/>: the fastest. On a CPU only.</summary>
    [EnumMember(Value = "w4a8")]
    W4A8,

    /// <summary>
    /// float32 in memory, multiplied by an NVIDIA GPU's matrix units with 10 bits of mantissa (TensorFloat-32): a relative error of about
    /// 3e-4. cuBLAS only.
    /// </summary>
    Tf32,

    /// <summary>
    /// 8-bit floats (E4M3) with a float32 scale for each row of weights and each token, 1 byte a weight: w ≈ scale · q with
    /// scale = max|w| / 448 of the row. A relative error of about 5 %. A GPU needs compute capability 8.9; on a CPU rows stay float32.
    /// </summary>
    [EnumMember(Value = "fp8")]
    Float8,
}
