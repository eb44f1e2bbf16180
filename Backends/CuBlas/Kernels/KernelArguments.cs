using System.Runtime.InteropServices;

namespace NativeFfn.Backends.CuBlas.Kernels;

// What each kernel takes, by value: the structs of Native/cuda/arguments.cuh, field for field. Pointers are device pointers, strides, widths and
// columns count elements, and 0 stands for a pointer that is not given. A test holds every size and offset to the C compiler's.

/// <summary>Which norm a kernel computes over a row.</summary>
internal enum KernelNorm
{
    /// <summary>r.</summary>
    None = 0,

    /// <summary>r / √(mean(r²) + ε) ⊙ (weight + offset) + bias.</summary>
    Rms = 1,

    /// <summary>(r − mean(r)) / √(variance(r) + ε) ⊙ (weight + offset) + bias, of the biased variance.</summary>
    Layer = 2,
}

/// <summary>A norm: float32 weight and bias of the row's width, either of which may be absent.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NormArguments
{
    public nint Weight;
    public nint Bias;
    public float Epsilon;
    public int Kind;
    public float WeightOffset;
    public int Unused;

    /// <summary>A norm whose vectors lie at these addresses, or at none.</summary>
    public static NormArguments Of(NormSpec norm, nint weight, nint bias) => new()
    {
        Weight = weight,
        Bias = bias,
        Epsilon = norm.Epsilon,
        Kind = (int)(norm.Kind == NormKind.Layer ? KernelNorm.Layer : KernelNorm.Rms),
        WeightOffset = norm.WeightOffset,
    };
}

/// <summary>A stage's kind: its activation's index in the table, and the numbers in its formulas.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KindArguments
{
    public int Activation;
    public int Gated;
    public float Limit;
    public float Alpha;
    public float UpOffset;
    public float InputFactor;
    public float PositiveAlpha;
    public float NegativeAlpha;
    public float Beta;
    public float Epsilon;

    /// <summary>A kind with the parameters that it has.</summary>
    public static KindArguments Of(FfnKind kind) => new()
    {
        Activation = NativeFfn.Activation.All.IndexOf(kind.Activation),
        Gated = kind.Gated ? 1 : 0,
        Limit = kind.KnownParameters.Limit,
        Alpha = kind.KnownParameters.Alpha,
        UpOffset = kind.KnownParameters.UpOffset,
        InputFactor = kind.KnownParameters.InputFactor,
        PositiveAlpha = kind.KnownParameters.PositiveAlpha,
        NegativeAlpha = kind.KnownParameters.NegativeAlpha,
        Beta = kind.KnownParameters.Beta,
        Epsilon = kind.KnownParameters.Epsilon,
    };
}

/// <summary>Of prepare_operand, prepare_vector and prepare_rows: rows of float32, normed, to rows of operands, vectors or float32 padded with zeros.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct InputArguments
{
    public nint Input;
    public long InputStride;
    public nint Output;
    public long OutputStride;
    public nint TokenScales;
    public NormArguments Norm;
    public int Width;
    public int PaddedWidth;
}

/// <summary>Of activate_operand and activate_result: act(gate) ⊙ up of a product's rows [gate | up].</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ActivationArguments
{
    public nint Product;
    public long ProductStride;
    public nint Output;
    public long OutputStride;
    public nint Bias;
    public nint ChannelScales;
    public nint TokenScales;
    public nint OutputScales;
    public int PaddedWidth;
    public int Width;
    public KindArguments Kind;
}

/// <summary>Of trace_stage: everything between a stage's product and its hidden values, as dense float32 [tokens, width].</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct TraceArguments
{
    public nint Product;
    public long ProductStride;
    public nint Bias;
    public nint ChannelScales;
    public nint TokenScales;
    public nint PreActivation;
    public nint Activated;
    public nint Up;
    public nint Hidden;
    public int Width;
    public int PaddedWidth;
    public KindArguments Kind;
}

/// <summary>Of widen_operand: rows of operands to dense float32 [tokens, width].</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct WidenArguments
{
    public nint Operand;
    public long Stride;
    public nint TokenScales;
    public nint Output;
    public int Width;
    public int Unused;
}

/// <summary>Of finish: post(residual + branch(product + bias)).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FinishArguments
{
    public nint Product;
    public long ProductStride;
    public nint Bias;
    public nint ChannelScales;
    public nint TokenScales;
    public nint Residual;
    public long ResidualStride;
    public nint Output;
    public long OutputStride;
    public NormArguments Branch;
    public NormArguments Post;
    public int Width;
    public int Unused;
}

/// <summary>Of gather_rows: for each row its token's row of the input. Tokens are int32.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GatherArguments
{
    public nint Input;
    public long InputStride;
    public nint Tokens;
    public nint Output;
    public long OutputStride;
    public int Width;
    public int Unused;
}

/// <summary>
/// Of combine_experts: residual + Σ weight · result + shared weight · shared. Rows are int32, the results' indices by token, <c>[tokens, TopK]</c>,
/// as weights are.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CombineArguments
{
    public nint Results;
    public long ResultStride;
    public nint Rows;
    public nint Weights;
    public nint Shared;
    public long SharedStride;
    public nint SharedWeights;
    public nint Residual;
    public long ResidualStride;
    public nint Output;
    public long OutputStride;
    public int TopK;
    public int Width;
}

/// <summary>Of vector_stage_1 … _8: a whole hidden stage for a few tokens.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VectorStageArguments
{
    public nint Weights;
    public long WeightStride;
    public nint Vectors;
    public long VectorStride;
    public nint Output;
    public long OutputStride;
    public nint Bias;
    public nint ChannelScales;
    public int Tokens;
    public int Columns;
    public int PaddedWidth;
    public int Width;
    public KindArguments Kind;
}

/// <summary>Of vector_result_1 … _8: the last projection for a few tokens.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VectorResultArguments
{
    public nint Weights;
    public long WeightStride;
    public nint Vectors;
    public long VectorStride;
    public nint Output;
    public long OutputStride;
    public nint Residual;
    public long ResidualStride;
    public nint Bias;
    public nint ChannelScales;
    public int Tokens;
    public int Columns;
    public int Width;
    public int Unused;
}
