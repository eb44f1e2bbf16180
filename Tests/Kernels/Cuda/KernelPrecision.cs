using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>One compilation of the kernels: its macro, and the formats of its weights, operands, products and vectors.</summary>
internal sealed record KernelPrecision(string Name, NumberFormat Weight, NumberFormat Product)
{
    public static readonly KernelPrecision F32 = new("F32", NumberFormat.Float32, NumberFormat.Float32);
    public static readonly KernelPrecision BF16 = new("BF16", NumberFormat.BFloat16, NumberFormat.BFloat16);
    public static readonly KernelPrecision F16 = new("F16", NumberFormat.Float16, NumberFormat.Float16);
    public static readonly KernelPrecision E4M3 = new("E4M3", NumberFormat.E4M3, NumberFormat.BFloat16);

    public static KernelPrecision[] All => [F32, BF16, F16, E4M3];

    public NumberFormat Operand => Weight;

    public NumberFormat Vector => Product;

    /// <summary>Whether operands have a scale for each token.</summary>
    public bool IsScaled => this == E4M3;

    public static KernelPrecision Of(string name) => All.Single(precision => precision.Name == name);

    public override string ToString() => Name;
}
