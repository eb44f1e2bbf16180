using System.Runtime.InteropServices;

namespace NativeFfn.Tests.Software;

// What the kernels take by value, written from the sheet of their C structs and not from the product's mirror of them.

[StructLayout(LayoutKind.Sequential)]
internal struct NormArgument
{
    public nint Weight;
    public nint Bias;
    public float Epsilon;
    public int Kind;
}

[StructLayout(LayoutKind.Sequential)]
internal struct PrepareArgument
{
    public nint Input;
    public long InputStride;
    public nint Output;
    public long OutputStride;
    public nint TokenScales;
    public NormArgument Norm;
    public int Width;
    public int PaddedWidth;
}

[StructLayout(LayoutKind.Sequential)]
internal struct ActivateArgument
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
    public int Activation;
    public int Gated;
}

[StructLayout(LayoutKind.Sequential)]
internal struct TraceArgument
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
    public int Activation;
    public int Gated;
}

[StructLayout(LayoutKind.Sequential)]
internal struct WidenArgument
{
    public nint Operand;
    public long Stride;
    public nint TokenScales;
    public nint Output;
    public int Width;
    public int Unused;
}

[StructLayout(LayoutKind.Sequential)]
internal struct FinishArgument
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
    public NormArgument Branch;
    public NormArgument Post;
    public int Width;
    public int Unused;
}

[StructLayout(LayoutKind.Sequential)]
internal struct GatherArgument
{
    public nint Input;
    public long InputStride;
    public nint Tokens;
    public nint Output;
    public long OutputStride;
    public int Width;
    public int Unused;
}

[StructLayout(LayoutKind.Sequential)]
internal struct CombineArgument
{
    public nint Results;
    public long ResultStride;
    public nint Places;
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

[StructLayout(LayoutKind.Sequential)]
internal struct VectorStageArgument
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
    public int Activation;
    public int Gated;
}

[StructLayout(LayoutKind.Sequential)]
internal struct VectorResultArgument
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
