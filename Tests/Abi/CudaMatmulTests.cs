using System.Runtime.InteropServices;
using NUnit.Framework;
using NativeFfn.Bindings;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Abi;

/// <summary>Products as they are put to cuBLASLt, on a library that writes down what it is asked.</summary>
[NonParallelizable]
public sealed unsafe class CudaMatmulTests
{
    // [5, 48] = [5, 32] · [48, 32]ᵀ, every matrix with a stride of its own.
    private static readonly MatmulShape Shape = new()
    {
        Rows = 48, Columns = 32, Tokens = 5, WeightStride = 40, InputStride = 56, OutputStride = 64, Operand = CudaDataType.BFloat16,
        Output = CudaDataType.Float32, Compute = CublasComputeType.Float32, Epilogue = CublasLtEpilogue.Default, AlignmentBytes = 16,
    };

    private static readonly DeviceRegion Weights = new(0x10000, ((47 * 40) + 32) * 2);
    private static readonly DeviceRegion Input = new(0x20000, ((4 * 56) + 32) * 2);
    private static readonly DeviceRegion Output = new(0x30000, ((4 * 64) + 48) * 4);
    private static readonly DeviceRegion Residual = new(0x40000, ((4 * 80) + 48) * 4);
    private static readonly DeviceRegion Workspace = new(0x50000, 4096);

    private CuBlasLtLibrary _library = null!;
    private CudaContext _context = null!;
    private CudaStream _stream = null!;
    private CuBlasLtHandle _handle = null!;

    [SetUp]
    public void Open()
    {
        _library = ScriptedCuBlasLt.Start();
        CudaDriver driver = ScriptedDriver.Start();
        _context = CudaContext.RetainPrimary(driver, driver.Device(0));
        _stream = _context.CreateStream();
        _handle = _library.CreateHandle(_context);
        ScriptedCuBlasLt.Forget();
    }

    [TearDown]
    public void Close()
    {
        _handle.Dispose();
        _stream.Dispose();
        _context.Dispose();
    }

    [Test]
    public void Row_major_matrices_are_their_transposed_ones_in_columns()
    {
        using (Matmul.Create(_library, Shape))
        {
        }

        Assert.That(
            ScriptedCuBlasLt.Calls,
            Is.EqualTo(new[]
            {
                "cublasLtMatmulDescCreate(68, 0)",
                "cublasLtMatmulDescSetAttribute(a002, 3, 01000000)",
                "cublasLtMatmulDescSetAttribute(a002, 4, 00000000)",
                "cublasLtMatmulDescSetAttribute(a002, 7, 01000000)",
                "cublasLtMatrixLayoutCreate(14, 32, 48, 40)",
                "cublasLtMatrixLayoutCreate(14, 32, 5, 56)",
                "cublasLtMatrixLayoutCreate(0, 48, 5, 64)",
                "cublasLtMatmulDescDestroy(a002)",
                "cublasLtMatrixLayoutDestroy(a003)",
                "cublasLtMatrixLayoutDestroy(a004)",
                "cublasLtMatrixLayoutDestroy(a005)",
            }));
    }

    [Test]
    public void Bias_fast_accumulation_and_residual_are_described()
    {
        MatmulShape shape = Shape with
        {
            Operand = CudaDataType.Float8E4M3, Output = CudaDataType.BFloat16, Compute = CublasComputeType.Tf32, Epilogue = CublasLtEpilogue.GeluBias,
            Bias = new DeviceRegion(0x12345600, 96), BiasType = CudaDataType.BFloat16, FastAccumulation = true, ResidualStride = 80,
        };
        using Matmul matmul = Matmul.Create(_library, shape);
        Assert.That(
            ScriptedCuBlasLt.Calls,
            Is.EqualTo(new[]
            {
                "cublasLtMatmulDescCreate(77, 0)",
                "cublasLtMatmulDescSetAttribute(a002, 3, 01000000)",
                "cublasLtMatmulDescSetAttribute(a002, 4, 00000000)",
                "cublasLtMatmulDescSetAttribute(a002, 7, 24000000)",
                "cublasLtMatmulDescSetAttribute(a002, 8, 0056341200000000)",
                "cublasLtMatmulDescSetAttribute(a002, 26, 0E000000)",
                "cublasLtMatmulDescSetAttribute(a002, 25, 01)",
                "cublasLtMatrixLayoutCreate(28, 32, 48, 40)",
                "cublasLtMatrixLayoutCreate(28, 32, 5, 56)",
                "cublasLtMatrixLayoutCreate(14, 48, 5, 64)",
                "cublasLtMatrixLayoutCreate(14, 48, 5, 80)",
            }));
        Assert.That(matmul.Shape, Is.EqualTo(shape));
    }

    [Test]
    public void The_heuristic_is_told_workspace_alignment_and_the_type_of_partial_sums()
    {
        using Matmul matmul = Matmul.Create(_library, Shape with { AlignmentBytes = 128 });
        ScriptedCuBlasLt.Found = [(0, 1024), (15, 0), (0, 2048)];
        ScriptedCuBlasLt.Forget();
        var found = new MatmulAlgorithm[4];
        Assert.That(matmul.Find(_handle, 1L << 32, found), Is.EqualTo(2), "one was found wanting");
        string[] expected =
        [
            "cublasLtMatmulPreferenceCreate()",
            "cublasLtMatmulPreferenceSetAttribute(a006, 1, 0000000001000000)",
            "cublasLtMatmulPreferenceSetAttribute(a006, 5, 80000000)",
            "cublasLtMatmulPreferenceSetAttribute(a006, 6, 80000000)",
            "cublasLtMatmulPreferenceSetAttribute(a006, 7, 80000000)",
            "cublasLtMatmulPreferenceSetAttribute(a006, 8, 80000000)",
            "cublasLtMatmulPreferenceSetAttribute(a006, 3, 02000000)",
            "cublasLtMatmulAlgoGetHeuristic(a001, a002, a003, a004, a005, a005, a006, 4)",
            "cublasLtMatmulPreferenceDestroy(a006)",
        ];
        Assert.Multiple(() =>
        {
            Assert.That(ScriptedCuBlasLt.Calls, Is.EqualTo(expected));
            Assert.That(found.Select(static one => one.WorkspaceBytes), Is.EqualTo(new long[] { 1024, 2048, 0, 0 }));
            Assert.That(found.Select(static one => one.Waves), Is.EqualTo(new[] { 0.5f, 2.5f, 0, 0 }));
            Assert.That(found.Select(static one => one.Native.Data[7]), Is.EqualTo(new ulong[] { 100, 102, 0, 0 }));
        });
    }

    [Test]
    public void A_product_without_an_algorithm_finds_none_and_other_failures_are_errors()
    {
        using Matmul matmul = Matmul.Create(_library, Shape);
        ScriptedCuBlasLt.Answer("cublasLtMatmulAlgoGetHeuristic", CuBlasLtStatus.NotSupported);
        Assert.That(matmul.Find(_handle, 0, new MatmulAlgorithm[1]), Is.Zero);
        ScriptedCuBlasLt.Answer("cublasLtMatmulAlgoGetHeuristic", CuBlasLtStatus.InternalError);
        Assert.That(
            () => matmul.Find(_handle, 0, new MatmulAlgorithm[1]),
            Throws.TypeOf<CuBlasLtException>().With.Message.EqualTo("cublasLtMatmulAlgoGetHeuristic failed: STATUS_14 (14): STATUS_14."));
        Assert.That(ScriptedCuBlasLt.Calls[^1], Does.StartWith("cublasLtMatmulPreferenceDestroy"));
        Assert.That(() => matmul.Find(_handle, -1, new MatmulAlgorithm[1]), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(matmul.Find(_handle, 0, []), Is.Zero);
    }

    [TestCase(0, 0, true)]
    [TestCase(0, 15, false)]
    [TestCase(15, 0, false)]
    [TestCase(7, 0, false)]
    [TestCase(8, 0, false)]
    public void A_kept_algorithm_is_accepted_or_not(int status, int state, bool expected)
    {
        using Matmul matmul = Matmul.Create(_library, Shape);
        ScriptedCuBlasLt.Answer("cublasLtMatmulAlgoCheck", status);
        ScriptedCuBlasLt.Found = [(state, 0)];
        var algorithm = new MatmulAlgorithm { WorkspaceBytes = 1, Waves = 2 };
        algorithm.Native.Data[7] = 33;
        Assert.That(matmul.Accepts(_handle, ref algorithm), Is.EqualTo(expected));
        (long, float) result = (algorithm.WorkspaceBytes, algorithm.Waves);
        Assert.Multiple(() =>
        {
            Assert.That(result, Is.EqualTo(expected ? (4096L, 0.75f) : (1L, 2f)));
            Assert.That(ScriptedCuBlasLt.Calls[^1], Is.EqualTo("cublasLtMatmulAlgoCheck(a001, a002, a003, a004, a005, a005, 33)"));
        });
    }

    [Test]
    public void A_product_runs_with_weights_first_and_its_residual_as_C()
    {
        using Matmul plain = Matmul.Create(_library, Shape);
        using Matmul added = Matmul.Create(_library, Shape with { ResidualStride = 80 });
        using Matmul inPlace = Matmul.Create(_library, Shape with { ResidualStride = 64 });
        var algorithm = new MatmulAlgorithm { WorkspaceBytes = 4096 };
        algorithm.Native.Data[7] = 9;
        ScriptedCuBlasLt.Forget();
        plain.Run(_handle, algorithm, Weights, Input, default, Output, Workspace, _stream);
        added.Run(_handle, algorithm, Weights, Input, Residual, Output, Workspace, _stream);
        inPlace.Run(_handle, algorithm, Weights, Input, Output, Output, Workspace, _stream);
        Assert.That(
            ScriptedCuBlasLt.Calls,
            Is.EqualTo(new[]
            {
                "cublasLtMatmul(a001, a002, 1, 10000, a003, 20000, a004, 0, 30000, a005, 30000, a005, 9, 50000, 4096, 1001)",
                "cublasLtMatmul(a001, a006, 1, 10000, a007, 20000, a008, 1, 40000, a00a, 30000, a009, 9, 50000, 4096, 1001)",
                "cublasLtMatmul(a001, a00b, 1, 10000, a00c, 20000, a00d, 1, 30000, a00f, 30000, a00e, 9, 50000, 4096, 1001)",
            }));
    }

    [Test]
    public void Regions_that_do_not_fit_are_refused_before_they_cross()
    {
        using Matmul matmul = Matmul.Create(_library, Shape with { ResidualStride = 80 });
        using CudaContext other = CudaContext.RetainPrimary(_context.Driver, _context.Device);
        using CudaStream elsewhere = other.CreateStream();
        ScriptedCuBlasLt.Forget();
        Assert.Multiple(() =>
        {
            Refused(weights: Weights.Slice(0, Weights.Bytes - 1));
            Refused(input: Input.Slice(0, Input.Bytes - 1));
            Refused(output: Output.Slice(0, Output.Bytes - 1));
            Refused(residual: Residual.Slice(0, Residual.Bytes - 1));
            Refused(residual: default(DeviceRegion));
            Refused(workspace: Workspace.Slice(0, 4095));
            Refused(weights: new DeviceRegion(Weights.Address + 8, Weights.Bytes));
            Refused(output: new DeviceRegion(Output.Address + 4, Output.Bytes));
            Refused(workspace: new DeviceRegion(Workspace.Address + 128, Workspace.Bytes));
            Refused(output: new DeviceRegion(Weights.Address, Output.Bytes));
            Refused(output: new DeviceRegion(Input.Address + 16, Output.Bytes));
            Refused(output: new DeviceRegion(Workspace.Address, Output.Bytes));
            Refused(workspace: new DeviceRegion(Weights.Address, Workspace.Bytes));
            Refused(workspace: new DeviceRegion(Input.Address, Workspace.Bytes));
            Refused(workspace: new DeviceRegion(Residual.Address, Workspace.Bytes));

            // The very rows of the output have its stride; these do not.
            Refused(output: new DeviceRegion(Residual.Address, Residual.Bytes));
            Refused(output: new DeviceRegion(Residual.Address + 16, Residual.Bytes));
            Refused(stream: elsewhere);
            Assert.That(ScriptedCuBlasLt.Calls, Is.Empty);
        });

        void Refused(
            DeviceRegion? weights = null, DeviceRegion? input = null, DeviceRegion? residual = null, DeviceRegion? output = null,
            DeviceRegion? workspace = null, CudaStream? stream = null) =>
            Assert.That(
                () => matmul.Run(
                    _handle, new MatmulAlgorithm { WorkspaceBytes = 4096 }, weights ?? Weights, input ?? Input, residual ?? Residual, output ?? Output,
                    workspace ?? Workspace, stream ?? _stream),
                Throws.ArgumentException);
    }

    [Test]
    public void Shapes_that_are_none_are_refused_before_they_cross()
    {
        Assert.Multiple(() =>
        {
            Refused(Shape with { Rows = 0 });
            Refused(Shape with { Columns = -1 });
            Refused(Shape with { Tokens = 0 });
            Refused(Shape with { WeightStride = 31 });
            Refused(Shape with { InputStride = 31 });
            Refused(Shape with { OutputStride = 47 });
            Refused(Shape with { ResidualStride = 47 });
            Refused(Shape with { ResidualStride = -80 });
            Refused(Shape with { AlignmentBytes = 8 });
            Refused(Shape with { AlignmentBytes = 48 });
            Refused(Shape with { AlignmentBytes = 512 });
            Refused(Shape with { Epilogue = CublasLtEpilogue.Bias });
            Refused(Shape with { Bias = new DeviceRegion(0x1000, 192) });
            Refused(Shape with { Epilogue = CublasLtEpilogue.Bias, Bias = new DeviceRegion(0x1000, 191) });
            Refused(Shape with { Operand = (CudaDataType)1 });
            Assert.That(() => Matmul.Create(_library, Shape with { InputStride = long.MaxValue / 4 }), Throws.TypeOf<OverflowException>());
            Assert.That(ScriptedCuBlasLt.Calls, Is.Empty);
        });

        void Refused(MatmulShape shape) => Assert.That(() => Matmul.Create(_library, shape), Throws.InstanceOf<ArgumentException>());
    }

    [Test]
    public void A_library_that_is_too_old_or_refuses_is_named()
    {
        ScriptedCuBlasLt.Answer("cublasLtMatmulDescSetAttribute", 7);
        ScriptedCuBlasLt.Answer("cublasLtCreate", 3);
        Assert.Multiple(() =>
        {
            Assert.That(() => Matmul.Create(_library, Shape), Throws.TypeOf<CuBlasLtException>().With.Message.Contains("cublasLtMatmulDescSetAttribute failed"));
            Assert.That(
                () => _library.CreateHandle(_context), Throws.TypeOf<CuBlasLtException>().With.Property(nameof(CuBlasLtException.IsOutOfMemory)).EqualTo(true));
            Assert.That(() => new CuBlasLtLibrary(new ScriptedSymbols([])), Throws.TypeOf<NativeLibraryException>().With.Message.Contains("CUDA 12.0"));
        });
    }

    [Test]
    public void The_steady_state_allocates_nothing()
    {
        // A library that writes nothing down, since that would allocate.
        var silent = new ScriptedSymbols(new()
        {
            ["cuDriverGetVersion"] = (nint)(delegate* unmanaged<int*, int>)&Large,
            ["cuDeviceGetCount"] = (nint)(delegate* unmanaged<int*, int>)&Large,
            ["cuDeviceGetAttribute"] = (nint)(delegate* unmanaged<int*, int>)&Large,
            ["cublasLtGetVersion"] = (nint)(delegate* unmanaged<nuint>)&Version,
        });
        CudaDriver driver = CudaDriver.Start(silent);
        using CudaContext context = CudaContext.RetainPrimary(driver, driver.Device(0));
        using CudaStream stream = context.CreateStream();
        using CudaEvent done = context.CreateEvent(timing: false);
        using CudaModule module = context.LoadModule("image"u8);
        CudaKernel kernel = module.Kernel("k");
        stream.BeginCapture();
        using CudaGraph graph = stream.EndCapture();
        var library = new CuBlasLtLibrary(silent);
        using CuBlasLtHandle handle = library.CreateHandle(context);
        using Matmul matmul = Matmul.Create(library, Shape with { ResidualStride = 80 });
        Forward();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            Forward();
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);

        void Forward()
        {
            using CudaContext.Scope scope = context.Enter();
            long argument = 1;
            stream.CopyToDevice(&argument, Input);
            stream.Fill(Output, 0);
            stream.Launch(kernel, new LaunchShape(3, 2, 256), &argument);
            matmul.Run(handle, new MatmulAlgorithm { WorkspaceBytes = 4096 }, Weights, Input, Residual, Output, Workspace, stream);
            stream.Launch(graph);
            stream.CopyOnDevice(Output, new DeviceRegion(0x60000, Output.Bytes));
            stream.CopyToHost(Output, &argument);
            stream.Record(done);
            stream.Wait(done);
            done.Synchronize();
            _ = done.IsDone && stream.IsDone;
        }
    }

    [UnmanagedCallersOnly]
    private static int Large(int* value)
    {
        *value = 100_000;
        return 0;
    }

    [UnmanagedCallersOnly]
    private static nuint Version() => 130000;
}
