using NativeFfn.Backends.Cpu.Gemm.Sgemm;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels;

public sealed class WeightStrideTests
{
    [TestCase(5, 1000, 1000)]
    [TestCase(5, 1024, 1040)]
    [TestCase(5632, 2048, 2064)]
    [TestCase(2_097_151, 1024, 1024, Description = "All but 1024 of the elements that a matrix may have: no room to move rows apart.")]
    public void Rows_lie_apart_where_pages_would_collide_and_the_limit_allows_it(int rows, int columns, long stride) => Assert.Multiple(() =>
    {
        Assert.That(FloatRowLayout.StrideOf(rows, columns), Is.EqualTo(stride));
        Assert.That(rows * FloatRowLayout.StrideOf(rows, columns), Is.LessThanOrEqualTo(FfnSpec.MaxMatrixElements));
    });
}
