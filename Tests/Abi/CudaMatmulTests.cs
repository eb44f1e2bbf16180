using NativeFfn.Bindings;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Handles;
using NativeFfn.Tests.Software;
using NUnit.Framework;

namespace NativeFfn.Tests.Abi;

/// <summary>Products as they are put to cuBLASLt, call by call.</summary>
[NonParallelizable]
public sealed unsafe class CudaMatmulTests
{
    // [5, 48] = [5, 32] · [48, 32]ᵀ, every matrix with a stride of its own.
    private static readonly MatmulShape Shape = new()
    {
        Rows = 48, Columns = 32, Tokens = 5, WeightStride = 40, InputStride = 56, OutputStride = 64, Operand = CudaDataType.BFloat16,
        Output = CudaDataType.Float32, Compute = CublasComputeType.Float32, Epilogue = CublasLtEpilogue.Default, AlignmentBytes = 16,
    };

    private SoftwareSession _session = null!;
    private CudaStream _stream = null!;
    private CuBlasLtHandle _handle = null!;

    private DeviceRegion Weights { get; set; }

    private DeviceRegion Input { get; set; }

    private DeviceRegion Output { get; set; }

    private DeviceRegion Residual { get; set; }

    private DeviceRegion Workspace { get; set; }

    private CuBlasLtLibrary Library => _session.Libraries.CuBlasLt;

    private string[] Calls => _session.Device.Log!.Calls;

    [SetUp]
    public void Open()
    {
        _session = new SoftwareSession();
        Weights = Allocate(((47 * 40) + 32) * 2);
        Input = Allocate(((4 * 56) + 32) * 2);
        Output = Allocate(((4 * 64) + 48) * 4);
        Residual = Allocate(((4 * 80) + 48) * 4);
        Workspace = Allocate(256 << 10);
        _stream = _session.Context.CreateStream();
        _handle = Library.CreateHandle(_session.Context);
        _session.Device.StartLog();

        DeviceRegion Allocate(long bytes) => new(_session.Foreign.Allocate(bytes), bytes);
    }

    [TearDown]
    public void Close()
    {
        _handle.Dispose();
        _stream.Dispose();
        _session.Dispose();
    }

    [Test]
    public void Row_major_matrices_are_their_transposed_ones_in_columns()
    {
        using (Matmul.Create(Library, Shape))
        {
        }

        Assert.That(
            Calls,
            Is.EqualTo(new[]
            {
                "cublasLtMatmulDescCreate(*, 68, 0)",
                "cublasLtMatmulDescSetAttribute(MatmulDescriptor1, 3, 01000000, 4)",
                "cublasLtMatmulDescSetAttribute(MatmulDescriptor1, 4, 00000000, 4)",
                "cublasLtMatmulDescSetAttribute(MatmulDescriptor1, 7, 01000000, 4)",
                "cublasLtMatrixLayoutCreate(*, 14, 32, 48, 40)",
                "cublasLtMatrixLayoutCreate(*, 14, 32, 5, 56)",
                "cublasLtMatrixLayoutCreate(*, 0, 48, 5, 64)",
                "cublasLtMatmulDescDestroy(MatmulDescriptor1)",
                "cublasLtMatrixLayoutDestroy(MatrixLayout1)",
                "cublasLtMatrixLayoutDestroy(MatrixLayout2)",
                "cublasLtMatrixLayoutDestroy(MatrixLayout3)",
            }));
    }

    [Test]
    public void Bias_and_residual_are_described()
    {
        MatmulShape shape = Shape with
        {
            Operand = CudaDataType.Float8E4M3,
            Output = CudaDataType.BFloat16,
            Compute = CublasComputeType.Tf32,
            Epilogue = CublasLtEpilogue.GeluBias,
            Bias = new DeviceRegion(0x12345600, 96),
            BiasType = CudaDataType.BFloat16,
            ResidualStride = 80,
        };
        using Matmul matmul = Matmul.Create(Library, shape);
        Assert.That(
            Calls,
            Is.EqualTo(new[]
            {
                "cublasLtMatmulDescCreate(*, 77, 0)",
                "cublasLtMatmulDescSetAttribute(MatmulDescriptor1, 3, 01000000, 4)",
                "cublasLtMatmulDescSetAttribute(MatmulDescriptor1, 4, 00000000, 4)",
                "cublasLtMatmulDescSetAttribute(MatmulDescriptor1, 7, 24000000, 4)",
                "cublasLtMatmulDescSetAttribute(MatmulDescriptor1, 8, 0056341200000000, 8)",
                "cublasLtMatmulDescSetAttribute(MatmulDescriptor1, 26, 0E000000, 4)",
                "cublasLtMatrixLayoutCreate(*, 28, 32, 48, 40)",
                "cublasLtMatrixLayoutCreate(*, 28, 32, 5, 56)",
                "cublasLtMatrixLayoutCreate(*, 14, 48, 5, 64)",
                "cublasLtMatrixLayoutCreate(*, 14, 48, 5, 80)",
            }));
        Assert.That(matmul.Shape, Is.EqualTo(shape));
    }

    [Test]
    public void The_heuristic_is_told_workspace_alignment_and_the_type_of_partial_sums()
    {
        using Matmul matmul = Matmul.Create(Library, Shape with { AlignmentBytes = 128 });
        _session.Device.AlgorithmState = static index => index == 1 ? CublasResult.NotSupported : CublasResult.Success;
        _session.Device.StartLog();
        var found = new MatmulAlgorithm[4];
        Assert.That(matmul.Find(_handle, 1L << 32, found), Is.EqualTo(3), "one of four was found wanting");
        string[] expected =
        [
            "cublasLtMatmulPreferenceCreate(*)",
            "cublasLtMatmulPreferenceSetAttribute(MatmulPreference1, 1, 0000000001000000, 8)",
            "cublasLtMatmulPreferenceSetAttribute(MatmulPreference1, 5, 80000000, 4)",
            "cublasLtMatmulPreferenceSetAttribute(MatmulPreference1, 6, 80000000, 4)",
            "cublasLtMatmulPreferenceSetAttribute(MatmulPreference1, 7, 80000000, 4)",
            "cublasLtMatmulPreferenceSetAttribute(MatmulPreference1, 8, 80000000, 4)",
            "cublasLtMatmulPreferenceSetAttribute(MatmulPreference1, 3, 02000000, 4)",
            "cublasLtMatmulAlgoGetHeuristic(CublasHandle1, MatmulDescriptor1, MatrixLayout1, MatrixLayout2, MatrixLayout3, MatrixLayout3, "
                + "MatmulPreference1, 4, *, *)",
            "cublasLtMatmulPreferenceDestroy(MatmulPreference1)",
        ];
        Assert.Multiple(() =>
        {
            Assert.That(Calls, Is.EqualTo(expected));
            Assert.That(found.Select(static one => one.WorkspaceBytes), Is.EqualTo((long[])[0, 64 << 10, 128 << 10, 0]));
            Assert.That(found.Select(static one => one.Waves), Is.EqualTo((float[])[0.25f, 0.25f, 0.25f, 0]));
            Assert.That(found.Select(static one => one.Native.Data[1]), Is.EqualTo((ulong[])[0, 2, 4, 0]));
        });
    }

    [Test]
    public void A_product_without_an_algorithm_finds_none_and_other_failures_are_errors()
    {
        using Matmul matmul = Matmul.Create(Library, Shape);
        _session.Device.Unsupported = static _ => true;
        Assert.That(matmul.Find(_handle, 0, new MatmulAlgorithm[1]), Is.Zero);
        _session.Device.FailCall("cublasLtMatmulAlgoGetHeuristic", 1, CublasResult.InternalError);
        Assert.That(
            () => matmul.Find(_handle, 0, new MatmulAlgorithm[1]),
            Throws.TypeOf<CuBlasLtException>().With.Message.Match(
                @"^cublasLtMatmulAlgoGetHeuristic failed: CUBLAS_STATUS\D* \(14\): CUBLAS_STATUS\D*\.$"));
        Assert.That(Calls[^1], Does.StartWith("cublasLtMatmulPreferenceDestroy"));
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
        using Matmul matmul = Matmul.Create(Library, Shape);
        MatmulAlgorithm algorithm = Algorithm(matmul);
        (algorithm.WorkspaceBytes, algorithm.Waves) = (1, 2);
        _session.Device.AlgorithmState = _ => state;
        if (status != CublasResult.Success)
        {
            _session.Device.FailCall("cublasLtMatmulAlgoCheck", 1, status);
        }

        Assert.That(matmul.Accepts(_handle, ref algorithm), Is.EqualTo(expected));
        Assert.That((algorithm.WorkspaceBytes, algorithm.Waves), Is.EqualTo(expected ? (64L << 10, 0.25f) : (1L, 2f)));
        Assert.That(
            Calls[^1],
            Is.EqualTo(
                "cublasLtMatmulAlgoCheck(CublasHandle1, MatmulDescriptor1, MatrixLayout1, MatrixLayout2, MatrixLayout3, MatrixLayout3, *, *)"));
    }

    [Test]
    public void A_product_runs_with_weights_first_and_its_residual_as_C()
    {
        using Matmul plain = Matmul.Create(Library, Shape);
        using Matmul added = Matmul.Create(Library, Shape with { ResidualStride = 80 });
        using Matmul inPlace = Matmul.Create(Library, Shape with { ResidualStride = 64 });
        MatmulAlgorithm algorithm = Algorithm(plain);
        _session.Device.StartLog();
        plain.Run(_handle, algorithm, Weights, Input, default, Output, Workspace, _stream);
        added.Run(_handle, algorithm, Weights, Input, Residual, Output, Workspace, _stream);
        inPlace.Run(_handle, algorithm, Weights, Input, Output, Output, Workspace, _stream);
        (nint a, nint b, nint c, nint d) = (Weights.Address, Input.Address, Residual.Address, Output.Address);
        string end = $"*, 0x{Workspace.Address:x}, {Workspace.Bytes}, Stream1)";
        Assert.That(Calls, Is.EqualTo((string[])
        [
            $"cublasLtMatmul(CublasHandle1, MatmulDescriptor1, 1, 0x{a:x}, MatrixLayout1, 0x{b:x}, MatrixLayout2, "
                + $"0, 0x{d:x}, MatrixLayout3, 0x{d:x}, MatrixLayout3, {end}",
            $"cublasLtMatmul(CublasHandle1, MatmulDescriptor2, 1, 0x{a:x}, MatrixLayout4, 0x{b:x}, MatrixLayout5, "
                + $"1, 0x{c:x}, MatrixLayout7, 0x{d:x}, MatrixLayout6, {end}",
            $"cublasLtMatmul(CublasHandle1, MatmulDescriptor3, 1, 0x{a:x}, MatrixLayout8, 0x{b:x}, MatrixLayout9, "
                + $"1, 0x{d:x}, MatrixLayout11, 0x{d:x}, MatrixLayout10, {end}",
        ]));
        Assert.That(_session.Device.Launches.Select(static launch => launch.Matmul!.Algorithm), Is.All.EqualTo(2), "the given algorithm");
        _session.Device.AssertNoViolations();
    }

    [Test]
    public void Regions_that_do_not_fit_are_refused_before_they_cross()
    {
        using Matmul matmul = Matmul.Create(Library, Shape with { ResidualStride = 80 });
        using CudaContext other = CudaContext.RetainPrimary(_session.Libraries.Driver, _session.Context.Device);
        using CudaStream elsewhere = other.CreateStream();
        _session.Device.StartLog();
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
            Assert.That(Calls, Is.Empty);
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
            Assert.That(() => Matmul.Create(Library, Shape with { InputStride = long.MaxValue / 4 }), Throws.TypeOf<OverflowException>());
            Assert.That(Calls, Is.Empty);
        });

        void Refused(MatmulShape shape) => Assert.That(() => Matmul.Create(Library, shape), Throws.InstanceOf<ArgumentException>());
    }

    [Test]
    public void ALibrary_that_is_too_old_or_refuses_is_named()
    {
        _session.Device.FailCall("cublasLtMatmulDescSetAttribute", 1, CublasResult.InvalidValue);
        _session.Device.FailCall("cublasLtCreate", 1, CublasResult.AllocFailed);
        Assert.That(
            () => Matmul.Create(Library, Shape),
            Throws.TypeOf<CuBlasLtException>().With.Message.Contains("cublasLtMatmulDescSetAttribute failed"));
        Assert.That(
            () => Library.CreateHandle(_session.Context),
            Throws.TypeOf<CuBlasLtException>().With.Property(nameof(CuBlasLtException.IsOutOfMemory)).EqualTo(true));
        Close();
        using SoftwareDevice old = SoftwareDevice.Start(new SoftwareDeviceOptions { CuBlasLtVersion = 119999 });
        Assert.That(() => new CuBlasLtLibrary(old.CuBlasLt), Throws.TypeOf<NativeLibraryException>().With.Message.Contains("CUDA 12.0"));
    }

    [Test]
    public void The_steady_state_allocates_nothing()
    {
        CudaContext context = _session.Context;
        using CudaEvent done = context.CreateEvent(timing: false);
        using CudaModule module = _session.Module(ModulePrecision.All[0]);
        using PinnedMemory pinned = context.AllocatePinned(Output.Bytes);
        using Matmul matmul = Matmul.Create(Library, Shape with { ResidualStride = 80 });
        MatmulAlgorithm algorithm = Algorithm(matmul);
        CudaKernel kernel = module.Kernel("prepare_operand");
        DeviceRegion rows = _session.Floats(new float[CudaScenario.Tokens * CudaScenario.Width]);
        _stream.BeginCapture();
        _stream.Fill(Input, 0);
        using CudaGraph graph = _stream.EndCapture();
        Forward();
        long before = GC.GetAllocatedBytesForCurrentThread() - _session.Device.OwnAllocatedBytes;
        for (int i = 0; i < 20; i++)
        {
            Forward();
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - _session.Device.OwnAllocatedBytes - before, Is.Zero);
        _session.Device.AssertNoViolations();

        void Forward()
        {
            using CudaContext.Scope scope = context.Enter();
            _stream.CopyToDevice(pinned.Pointer, Input);
            _stream.Fill(Output, 0);
            CudaScenario.Prepare(_stream, kernel, rows, rows);
            matmul.Run(_handle, algorithm, Weights, Input, Residual, Output, Workspace, _stream);
            _stream.Launch(graph);
            _stream.CopyOnDevice(Output, Workspace.Slice(0, Output.Bytes));
            _stream.CopyToHost(Output, pinned.Pointer);
            _stream.Record(done);
            done.Synchronize();
            _ = done.IsDone && _stream.IsDone;
        }
    }

    // The third of the heuristic's, which needs a workspace of 64 KiB.
    private MatmulAlgorithm Algorithm(Matmul matmul)
    {
        var found = new MatmulAlgorithm[3];
        Assert.That(matmul.Find(_handle, Workspace.Bytes, found), Is.EqualTo(3));
        return found[2];
    }
}
