using System.Reflection;
using System.Text;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Loading;
using NativeFfn.Bindings.Nvrtc;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Abi;

/// <summary>Bindings against CUDA's real libraries, as far as they go without a GPU. What is not installed is fetched by build/fetch-cuda.sh.</summary>
[Category("Cuda")]
public sealed unsafe class CudaLibraryTests
{
    // Rounds two numbers at once by the instruction that sm_80 brought; needs no header.
    private const string Source = """
        #include "pair.h"
        extern "C" __global__ void round_pairs(const float* source, unsigned* destination)
        {
            unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
            destination[i] = round_pair(source[2 * i], source[2 * i + 1]);
        }
        """;

    private const string Header = """
        static __device__ unsigned round_pair(float low, float high)
        {
            unsigned pair;
            asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
            return pair;
        }
        """;

    [Test]
    public void Every_function_is_in_the_compiler()
    {
        LoadedLibrary library = CudaUnderTest.Nvrtc();
        (int major, int minor) = new NvrtcCompiler(library).Version;
        CheckAll(library, typeof(NvrtcFunctions), $"libnvrtc {major}.{minor}");
    }

    [Test]
    public void Every_function_is_in_cublasLt()
    {
        LoadedLibrary library = CudaUnderTest.CuBlasLt();
        CheckAll(library, typeof(CuBlasLtFunctions), $"libcublasLt {new CuBlasLtLibrary(library).Version}");
    }

    [Test]
    public void Every_function_is_in_the_driver()
    {
        LoadedLibrary library = CudaUnderTest.Driver();
        int version = 0;
        Assert.That(new CudaFunctions(library).cuDriverGetVersion(&version), Is.Zero);
        CheckAll(library, typeof(CudaFunctions), $"libcuda {version}");
    }

    [Test]
    public void The_driver_starts_or_says_that_there_is_no_device()
    {
        LoadedLibrary library = CudaUnderTest.Driver();
        try
        {
            CudaDriver driver = CudaDriver.Start(library);
            Assert.That(driver.Version, Is.AtLeast(CudaDriver.OldestVersion));
            CudaDevice device = driver.Device(0);
            TestContext.Out.WriteLine($"{device.Name}, {device.Uuid}, sm_{device.Architecture}");
        }
        catch (CudaException exception)
        {
            Assert.Multiple(() =>
            {
                Assert.That(exception.IsNoDevice, Is.True, exception.Message);
                Assert.That(exception.Function, Is.EqualTo("cuInit"));
                Assert.That(exception.Message, Does.Contain("cuInit failed: CUDA_ERROR_NO_DEVICE (100)").And.Contain("nvidia-smi"));
                Assert.That(exception.IsSticky || exception.IsOutOfMemory, Is.False);
            });
        }
    }

    [Test]
    public void Without_a_device_the_large_libraries_are_not_looked_for()
    {
        string folder = Path.GetDirectoryName(CudaUnderTest.Driver().Path)!;
        try
        {
            CudaLibraries.Load(folder);
            Assert.Ignore("There is a GPU here, and all libraries lie in one folder.");
        }
        catch (Bindings.NativeLibraryException)
        {
            Assert.Ignore("There is a GPU here.");
        }
        catch (CudaException exception)
        {
            Assert.That(exception.IsNoDevice, Is.True, exception.Message);
        }
    }

    [Test]
    public void The_drivers_own_names_are_those_of_the_constants()
    {
        var functions = new CudaFunctions(CudaUnderTest.Driver());
        Assert.Multiple(() =>
        {
            foreach (FieldInfo constant in typeof(CudaStatus).GetFields().Where(static field => field.IsLiteral))
            {
                var status = (int)constant.GetRawConstantValue()!;
                string name = CudaStatus.Describe(functions, status, "call").Message;

                // InvalidValue is CUDA_ERROR_INVALID_VALUE; tensor memory leaks are newer than the oldest driver.
                string expected = string.Concat(constant.Name.Select(static letter => char.IsUpper(letter) ? $"_{letter}" : $"{char.ToUpperInvariant(letter)}"));
                if (!name.Contains("unknown status", StringComparison.Ordinal))
                {
                    Assert.That(name, Does.Contain(status == 0 ? "CUDA_SUCCESS" : $"CUDA_ERROR{expected} ("), constant.Name);
                }
            }
        });
    }

    [Test]
    public void Without_a_device_cublasLt_makes_no_handle()
    {
        var library = new CuBlasLtLibrary(CudaUnderTest.CuBlasLt());
        nint handle = 0;
        int status = library.Functions.cublasLtCreate(&handle);
        if (status == CuBlasLtStatus.Success)
        {
            Assert.That(library.Functions.cublasLtDestroy(handle), Is.Zero);
            Assert.Ignore("There is a GPU here.");
        }

        CuBlasLtException? exception = Assert.Throws<CuBlasLtException>(() => library.Check(status, "functions.cublasLtCreate(&handle)"));
        Assert.Multiple(() =>
        {
            Assert.That(status, Is.EqualTo(CuBlasLtStatus.NotInitialized));
            Assert.That(exception!.Message, Does.StartWith("cublasLtCreate failed: CUBLAS_STATUS_NOT_INITIALIZED (1)"));
        });
    }

    [Test]
    public void Attributes_of_operations_and_preferences_have_their_sizes_and_keep_their_values()
    {
        LoadedLibrary library = CudaUnderTest.CuBlasLt();
        CuBlasLtFunctions functions = new CuBlasLtLibrary(library).Functions;
        nint operation = 0;
        nint preference = 0;
        Assert.That(functions.cublasLtMatmulDescCreate(&operation, (int)CublasComputeType.Float32, (int)CudaDataType.Float32), Is.Zero);
        Assert.That(functions.cublasLtMatmulPreferenceCreate(&preference), Is.Zero);
        var ofOperation = new Attributes(operation, functions.cublasLtMatmulDescSetAttribute, library, "cublasLtMatmulDescGetAttribute");
        var ofPreference = new Attributes(
            preference, functions.cublasLtMatmulPreferenceSetAttribute, library, "cublasLtMatmulPreferenceGetAttribute");
        Assert.Multiple(() =>
        {
            ofOperation.Check(CublasLtMatmulDescAttribute.TransA, 0, 1);
            ofOperation.Check(CublasLtMatmulDescAttribute.TransB, 0, 1);
            ofOperation.Check(CublasLtMatmulDescAttribute.Epilogue, (uint)CublasLtEpilogue.Default, (uint)CublasLtEpilogue.GeluBias);
            ofOperation.Check<nint>(CublasLtMatmulDescAttribute.BiasPointer, 0, 0x1000);

            // -1: as the output.
            ofOperation.Check(CublasLtMatmulDescAttribute.BiasDataType, -1, (int)CudaDataType.BFloat16);
            ofPreference.Check<ulong>(CublasLtMatmulPreferenceAttribute.MaxWorkspaceBytes, 0, 1UL << 33);
            ofPreference.Check(CublasLtMatmulPreferenceAttribute.ReductionSchemeMask, uint.MaxValue, 0U, isDefaultKnown: false);
            ofPreference.Check(CublasLtMatmulPreferenceAttribute.MinAlignmentA, 256U, 16U);
            ofPreference.Check(CublasLtMatmulPreferenceAttribute.MinAlignmentB, 256U, 16U);
            ofPreference.Check(CublasLtMatmulPreferenceAttribute.MinAlignmentC, 256U, 16U);
            ofPreference.Check(CublasLtMatmulPreferenceAttribute.MinAlignmentD, 256U, 16U);
        });
        Assert.That(functions.cublasLtMatmulDescDestroy(operation), Is.Zero);
        Assert.That(functions.cublasLtMatmulPreferenceDestroy(preference), Is.Zero);
        Counted.Add(ofOperation.Count + ofPreference.Count, "attributes of products set and read back in cuBLASLt");
    }

    [Test]
    public void Products_of_every_type_are_described_without_a_device([Values] bool hasResidual)
    {
        var library = new CuBlasLtLibrary(CudaUnderTest.CuBlasLt());
        (CudaDataType Operand, CudaDataType Output, CublasComputeType Compute)[] types =
        [
            (CudaDataType.Float32, CudaDataType.Float32, CublasComputeType.Float32),
            (CudaDataType.Float32, CudaDataType.Float32, CublasComputeType.Tf32),
            (CudaDataType.Float16, CudaDataType.Float16, CublasComputeType.Float32),
            (CudaDataType.BFloat16, CudaDataType.Float32, CublasComputeType.Float32),
            (CudaDataType.Float8E4M3, CudaDataType.BFloat16, CublasComputeType.Float32),
        ];
        foreach ((CudaDataType operand, CudaDataType output, CublasComputeType compute) in types)
        {
            var shape = new MatmulShape
            {
                Rows = 48, Columns = 32, Tokens = 5, WeightStride = 32, InputStride = 64, OutputStride = 48, ResidualStride = hasResidual ? 80 : 0,
                Operand = operand, Output = output, Compute = compute, Epilogue = CublasLtEpilogue.GeluBias, Bias = new DeviceRegion(0x1000, 48 * 2),
                BiasType = CudaDataType.BFloat16, AlignmentBytes = 256,
            };
            Assert.That(() => Matmul.Create(library, shape).Dispose(), Throws.Nothing, $"{operand} to {output}");
        }
    }

    [TestCase(80)]
    [TestCase(90)]
    public void The_compiler_makes_machine_code_of_inline_ptx(int architecture)
    {
        var compiler = new NvrtcCompiler(CudaUnderTest.Nvrtc());
        if (!compiler.Architectures.Contains(architecture))
        {
            Assert.Ignore($"NVRTC {compiler.Version} does not compile for sm_{architecture}.");
        }

        byte[] cubin = compiler.Compile("round.cu", Source, [("pair.h", Header)], [$"--gpu-architecture=sm_{architecture}"]);
        string text = Encoding.Latin1.GetString(cubin);
        Assert.Multiple(() =>
        {
            Assert.That(cubin.AsSpan(0, 4).ToArray(), Is.EqualTo("\u007fELF"u8.ToArray()));
            Assert.That(text, Does.Contain("round_pairs"));
            Assert.That(compiler.Version.Major, Is.AtLeast(12));
            Assert.That(compiler.Architectures, Is.Ordered);
        });
        TestContext.Out.WriteLine($"NVRTC {compiler.Version.Major}.{compiler.Version.Minor} made {cubin.Length} bytes for sm_{architecture}");
    }

    [Test]
    public void A_source_that_does_not_compile_is_reported_in_the_compilers_words()
    {
        var compiler = new NvrtcCompiler(CudaUnderTest.Nvrtc());
        NvrtcException? exception = Assert.Throws<NvrtcException>(
            () => compiler.Compile("broken.cu", "__global__ void broken() { missing(); }", [], ["--gpu-architecture=sm_90"]));
        Assert.Multiple(() =>
        {
            Assert.That(exception!.Status, Is.EqualTo(NvrtcStatus.Compilation));
            Assert.That(exception.Function, Is.EqualTo("nvrtcCompileProgram"));
            Assert.That(exception.Log, Does.Contain("broken.cu(1)").And.Contain("missing"));
            Assert.That(exception.Message, Does.Contain(exception.Log));
        });
    }

    [Test]
    public void Wrong_options_and_texts_are_refused()
    {
        var compiler = new NvrtcCompiler(CudaUnderTest.Nvrtc());
        Assert.Multiple(() =>
        {
            Assert.That(
                () => compiler.Compile("a.cu", "int a;", [], ["--no-such-option"]),
                Throws.TypeOf<NvrtcException>().With.Property(nameof(NvrtcException.Status)).EqualTo(NvrtcStatus.InvalidOption));
            Assert.That(
                () => compiler.Compile("a.cu", "__device__ int a;", [], ["--gpu-architecture=compute_90"]),
                Throws.TypeOf<NvrtcException>().With.Message.Contains("sm_"));
            Assert.That(() => compiler.Compile("a.cu", "int a;\0", [], []), Throws.ArgumentException);
            Assert.That(() => compiler.Compile("a.cu", "int a;", [("b\0.h", string.Empty)], []), Throws.ArgumentException);
        });
    }

    private static void CheckAll(LoadedLibrary library, Type table, string name)
    {
        FieldInfo[] functions = FunctionTableTests.FunctionsOf(table);
        Assert.Multiple(() =>
        {
            foreach (FieldInfo function in functions)
            {
                Assert.That(library.TryFind(function.Name, out nint address) && address != 0, Is.True, $"{function.Name} in {library.Path}");
            }
        });
        Counted.Add(functions.Length, $"CUDA symbols resolved in {name}");
    }

    // One kind of descriptor: an attribute has one size, another is refused, and what was set is read back.
    private sealed class Attributes(nint descriptor, delegate* unmanaged<nint, int, void*, nuint, int> set, LoadedLibrary library, string getter)
    {
        private readonly delegate* unmanaged<nint, int, void*, nuint, nuint*, int> _get =
            (delegate* unmanaged<nint, int, void*, nuint, nuint*, int>)library.Find(getter, "It is cuBLASLt's.");

        public int Count { get; private set; }

        public void Check<T>(Enum attribute, T initial, T other, bool isDefaultKnown = true)
            where T : unmanaged
        {
            int id = Convert.ToInt32(attribute, null);
            Count++;

            // Asked with no room, the library tells the size.
            nuint size = 0;
            Assert.That(_get(descriptor, id, null, 0, &size), Is.Zero, $"{attribute}: size");
            Assert.That(size, Is.EqualTo((nuint)sizeof(T)), $"{attribute}: size");

            T value = default;
            Assert.That(_get(descriptor, id, &value, (nuint)sizeof(T), &size), Is.Zero, $"{attribute}: default");
            if (isDefaultKnown)
            {
                Assert.That(value, Is.EqualTo(initial), $"{attribute}: default");
            }

            Assert.That(set(descriptor, id, &other, (nuint)sizeof(T)), Is.Zero, $"{attribute}: set");
            Assert.That(_get(descriptor, id, &value, (nuint)sizeof(T), &size), Is.Zero, $"{attribute}: read back");
            Assert.That(value, Is.EqualTo(other), $"{attribute}: read back");

            long wide = 0;
            nuint wrong = sizeof(T) == 4 ? 8u : 4u;
            Assert.That(set(descriptor, id, &wide, wrong), Is.EqualTo(CublasResult.InvalidValue), $"{attribute}: {wrong} bytes");
        }
    }
}
