using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Nvrtc;
using NUnit.Framework;

namespace NativeFfn.Tests.Abi;

/// <summary>Structures and values of CUDA's headers, as numbers, so that a slip of the pen in Bindings is seen without a GPU.</summary>
public sealed class CudaConstantTests
{
    [Test]
    public void Structures_have_the_layout_of_cublasLt_h()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Unsafe.SizeOf<CuBlasLtAlgorithm>(), Is.EqualTo(64));
            Assert.That(Unsafe.SizeOf<CuBlasLtHeuristicResult>(), Is.EqualTo(96));
            Assert.That(Offset(nameof(CuBlasLtHeuristicResult.Algorithm)), Is.Zero);
            Assert.That(Offset(nameof(CuBlasLtHeuristicResult.WorkspaceSize)), Is.EqualTo(64));
            Assert.That(Offset(nameof(CuBlasLtHeuristicResult.State)), Is.EqualTo(72));
            Assert.That(Offset(nameof(CuBlasLtHeuristicResult.WavesCount)), Is.EqualTo(76));
            Assert.That(Offset(nameof(CuBlasLtHeuristicResult.Reserved)), Is.EqualTo(80));
            Assert.That(Unsafe.SizeOf<Guid>(), Is.EqualTo(16), "CUuuid");
        });

        static int Offset(string field) => (int)Marshal.OffsetOf<CuBlasLtHeuristicResult>(field);
    }

    [TestCase(CudaDataType.Float32, 0)]
    [TestCase(CudaDataType.Float16, 2)]
    [TestCase(CudaDataType.BFloat16, 14)]
    [TestCase(CudaDataType.Float8E4M3, 28)]
    [TestCase(CublasComputeType.Float32, 68)]
    [TestCase(CublasComputeType.Tf32, 77)]
    [TestCase(CublasLtEpilogue.Default, 1)]
    [TestCase(CublasLtEpilogue.Relu, 2)]
    [TestCase(CublasLtEpilogue.Bias, 4)]
    [TestCase(CublasLtEpilogue.ReluBias, 6)]
    [TestCase(CublasLtEpilogue.Gelu, 32)]
    [TestCase(CublasLtEpilogue.GeluBias, 36)]
    [TestCase(CublasLtMatmulDescAttribute.TransA, 3)]
    [TestCase(CublasLtMatmulDescAttribute.TransB, 4)]
    [TestCase(CublasLtMatmulDescAttribute.Epilogue, 7)]
    [TestCase(CublasLtMatmulDescAttribute.BiasPointer, 8)]
    [TestCase(CublasLtMatmulDescAttribute.BiasDataType, 26)]
    [TestCase(CublasLtMatmulPreferenceAttribute.MaxWorkspaceBytes, 1)]
    [TestCase(CublasLtMatmulPreferenceAttribute.ReductionSchemeMask, 3)]
    [TestCase(CublasLtMatmulPreferenceAttribute.MinAlignmentA, 5)]
    [TestCase(CublasLtMatmulPreferenceAttribute.MinAlignmentB, 6)]
    [TestCase(CublasLtMatmulPreferenceAttribute.MinAlignmentC, 7)]
    [TestCase(CublasLtMatmulPreferenceAttribute.MinAlignmentD, 8)]
    [TestCase(CudaDeviceAttribute.MaxThreadsPerBlock, 1)]
    [TestCase(CudaDeviceAttribute.MaxGridDimX, 5)]
    [TestCase(CudaDeviceAttribute.MaxGridDimY, 6)]
    [TestCase(CudaDeviceAttribute.MaxSharedMemoryPerBlock, 8)]
    [TestCase(CudaDeviceAttribute.MultiprocessorCount, 16)]
    [TestCase(CudaDeviceAttribute.L2CacheSize, 38)]
    [TestCase(CudaDeviceAttribute.MaxThreadsPerMultiprocessor, 39)]
    [TestCase(CudaDeviceAttribute.ComputeCapabilityMajor, 75)]
    [TestCase(CudaDeviceAttribute.ComputeCapabilityMinor, 76)]
    public void An_enumeration_has_the_headers_value(object value, int expected) =>
        Assert.That(Convert.ToInt32(value, null), Is.EqualTo(expected));

    [Test]
    public void Every_enumeration_is_checked_member_by_member()
    {
        Type[] enumerations =
        [
            typeof(CudaDataType), typeof(CublasComputeType), typeof(CublasLtEpilogue), typeof(CublasLtMatmulDescAttribute),
            typeof(CublasLtMatmulPreferenceAttribute), typeof(CudaDeviceAttribute),
        ];
        object[] tested =
        [
            .. typeof(CudaConstantTests).GetMethod(nameof(An_enumeration_has_the_headers_value))!
                .GetCustomAttributes(typeof(TestCaseAttribute), inherit: false).Select(static test => ((TestCaseAttribute)test).Arguments[0]!),
        ];
        Assert.That(tested, Is.EquivalentTo(enumerations.SelectMany(static type => Enum.GetValues(type).Cast<object>())));
    }

    [Test]
    public void Constants_have_the_headers_values()
    {
        Assert.Multiple(() =>
        {
            Check(typeof(CudaStatus), new()
            {
                ["Success"] = 0, ["InvalidValue"] = 1, ["OutOfMemory"] = 2, ["Deinitialized"] = 4, ["StubLibrary"] = 34,
                ["NoDevice"] = 100, ["InvalidDevice"] = 101, ["EccUncorrectable"] = 214, ["NvlinkUncorrectable"] = 220,
                ["Contained"] = 226, ["NotFound"] = 500, ["NotReady"] = 600, ["IllegalAddress"] = 700,
                ["LaunchTimeout"] = 702, ["ContextIsDestroyed"] = 709, ["Assert"] = 710, ["HardwareStackError"] = 714, ["LaunchFailed"] = 719,
                ["TensorMemoryLeak"] = 721, ["SystemNotReady"] = 802, ["SystemDriverMismatch"] = 803, ["MpsClientTerminated"] = 810,
                ["Unknown"] = 999,
            });
            Check(typeof(CudaPointerAttribute), new()
            {
                ["MemoryType"] = 2, ["DeviceOrdinal"] = 9, ["RangeStart"] = 11, ["RangeSize"] = 12, ["Mapped"] = 13, ["MemoryTypeDevice"] = 2,
            });
            Check(typeof(CuBlasLtStatus), new()
            {
                ["Success"] = 0, ["NotInitialized"] = 1, ["AllocFailed"] = 3, ["NotSupported"] = 15,
            });
            Check(typeof(NvrtcStatus), new() { ["Success"] = 0, ["InvalidOption"] = 5, ["Compilation"] = 6, ["BuiltinOperationFailure"] = 7 });
        });

        static void Check(Type type, Dictionary<string, int> expected) => Assert.That(
            type.GetFields().Where(static field => field.IsLiteral).ToDictionary(static field => field.Name, static field => (int)field.GetRawConstantValue()!),
            Is.EquivalentTo(expected));
    }

    [Test]
    public void Only_errors_that_end_a_context_are_sticky()
    {
        int[] sticky = [4, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 810, 999];
        Assert.That(Enumerable.Range(0, 1000).Where(CudaStatus.IsSticky), Is.EqualTo(sticky));
    }

    [TestCase(CudaDataType.Float32, 4)]
    [TestCase(CudaDataType.Float16, 2)]
    [TestCase(CudaDataType.BFloat16, 2)]
    [TestCase(CudaDataType.Float8E4M3, 1)]
    public void An_element_has_its_size(object type, int bytes) => Assert.That(MatmulShape.SizeOf((CudaDataType)type), Is.EqualTo(bytes));
}
