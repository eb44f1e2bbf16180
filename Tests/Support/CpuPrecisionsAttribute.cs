using NUnit.Framework;

namespace NativeFfn.Tests.Support;

/// <summary>The precisions of the backends on the CPU, one after the other.</summary>
public sealed class CpuPrecisionsAttribute : ValuesAttribute
{
    public static readonly FfnPrecision[] All =
        [FfnPrecision.Float32, FfnPrecision.BFloat16, FfnPrecision.Float16, FfnPrecision.Int8, FfnPrecision.Float8];

    public CpuPrecisionsAttribute()
        : base([.. All.Cast<object>()])
    {
    }
}
