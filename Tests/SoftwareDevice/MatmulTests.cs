using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Software;

/// <summary>Products against naive float64 sums, and everything that cuBLASLt refuses.</summary>
[NonParallelizable]
public sealed unsafe class MatmulTests
{
    // Two roundings of float32 for each summand, of numbers below 1 in inner dimensions below 200.
    private const double Tolerance = 200 * 1.2e-7;

    private static readonly MatmulShape Plain = new()
    {
        Rows = 5, Columns = 7, Tokens = 3, WeightStride = 7, InputStride = 7, OutputStride = 5, Operand = CudaDataType.Float32,
        Output = CudaDataType.Float32, Compute = CublasComputeType.Float32, Epilogue = CublasLtEpilogue.Default, AlignmentBytes = 256,
    };

    [Test]
    public void Small_integers_multiply_exactly_in_every_format(
        [Values(0, 2, 14, 28)] int cudaDataType, [Values] bool isWide, [Values(1, 3)] int tokens)
    {
        var operand = (CudaDataType)cudaDataType;
        using var session = new SoftwareSession();
        CudaDataType output = isWide || operand == CudaDataType.Float32 ? CudaDataType.Float32
            : operand == CudaDataType.Float8E4M3 ? CudaDataType.BFloat16 : operand;
        MatmulShape shape = Plain with
        {
            Rows = 32,
            Columns = 48,
            Tokens = tokens,
            WeightStride = 64,
            InputStride = 48,
            OutputStride = 40,
            Operand = operand,
            Output = output,
        };
        float[] weights = RandomLayers.IntegerRows(1, 32 * 64, 1, largest: 2);
        float[] input = RandomLayers.IntegerRows(1, tokens * 48, 2, largest: 2);
        float[] found = Multiply(session, shape, weights, input, null, null);
        double[] expected = Product(shape, weights, input);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.That((double)found[(i / 32 * 40) + (i % 32)], Is.EqualTo(expected[i]));
        }

        Assert.That(tokens == 1 ? [float.NaN] : found[32..40], Is.All.NaN, "what is between the rows is not written");
        session.Device.AssertNoViolations();
    }

    [Test]
    public void Every_epilogue_is_its_formula_and_a_residual_is_added_before_it(
        [Values] bool hasBias, [Values(1, 2, 32)] int epilogueWithoutBias, [Values] bool hasResidual)
    {
        var activation = (CublasLtEpilogue)epilogueWithoutBias;
        using var session = new SoftwareSession();
        float[] bias = RandomLayers.Uniform(5, 3);
        float[] residual = RandomLayers.Uniform(15, 4);
        CublasLtEpilogue epilogue = hasBias
            ? (activation == CublasLtEpilogue.Default ? CublasLtEpilogue.Bias : activation | CublasLtEpilogue.Bias)
            : activation;
        MatmulShape shape = Plain with
        {
            Epilogue = epilogue,
            ResidualStride = hasResidual ? 5 : 0,
            Bias = hasBias ? session.Floats(bias) : default,
            BiasType = CudaDataType.Float32,
        };
        float[] weights = RandomLayers.Uniform(35, 1);
        float[] input = RandomLayers.Uniform(21, 2);
        float[] found = Multiply(session, shape, weights, input, hasResidual ? residual : null, null);
        double[] expected = Product(shape, weights, input);
        for (int i = 0; i < expected.Length; i++)
        {
            double x = expected[i] + (hasResidual ? residual[i] : 0) + (hasBias ? bias[i % 5] : 0);
            double y = activation switch
            {
                CublasLtEpilogue.Relu => Math.Max(0, x),
                CublasLtEpilogue.Gelu => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
                _ => x,
            };
            Assert.That(found[i], Is.EqualTo(y).Within(Tolerance));
        }
    }

    [Test]
    public void Every_pair_of_transposes_reads_the_matrix_that_it_says([Values] bool transposeA, [Values] bool transposeB)
    {
        const int M = 4;
        const int N = 3;
        const int K = 6;
        using var session = new SoftwareSession();
        using CuBlasLtHandle handle = session.Libraries.CuBlasLt.CreateHandle(session.Context);
        CuBlasLtFunctions raw = session.Libraries.CuBlasLt.Functions;
        float[] left = RandomLayers.IntegerRows(1, M * K, 1, largest: 2);
        float[] right = RandomLayers.IntegerRows(1, K * N, 2, largest: 2);
        nint operation;
        nint a;
        nint b;
        nint d;
        nint preference;
        raw.cublasLtMatmulDescCreate(&operation, 68, 0);
        int yes = 1;
        Assert.That(!transposeA || raw.cublasLtMatmulDescSetAttribute(operation, 3, &yes, 4) == 0, Is.True);
        Assert.That(!transposeB || raw.cublasLtMatmulDescSetAttribute(operation, 4, &yes, 4) == 0, Is.True);
        raw.cublasLtMatrixLayoutCreate(&a, 0, transposeA ? (ulong)K : M, transposeA ? (ulong)M : K, transposeA ? K : M);
        raw.cublasLtMatrixLayoutCreate(&b, 0, transposeB ? (ulong)N : K, transposeB ? (ulong)K : N, transposeB ? N : K);
        raw.cublasLtMatrixLayoutCreate(&d, 0, M, N, M);
        raw.cublasLtMatmulPreferenceCreate(&preference);
        CuBlasLtHeuristicResult result;
        int count;
        Assert.That(raw.cublasLtMatmulAlgoGetHeuristic(handle.Handle, operation, a, b, d, d, preference, 1, &result, &count), Is.Zero);
        float alpha = 2;
        float beta = 0;
        nint output = session.Foreign.Allocate(M * N * sizeof(float));
        Assert.That(
            raw.cublasLtMatmul(
                handle.Handle, operation, &alpha, session.Floats(left).Address, a, session.Floats(right).Address, b, &beta, 0, d, output, d,
                &result.Algorithm, 0, 0, 0), Is.Zero);
        session.Raw.cuCtxSynchronize();
        float[] found = session.Foreign.Read<float>(output, M * N);
        for (int row = 0; row < M; row++)
        {
            for (int column = 0; column < N; column++)
            {
                double sum = 0;
                for (int k = 0; k < K; k++)
                {
                    sum += left[transposeA ? (row * K) + k : (k * M) + row] * right[transposeB ? (k * N) + column : (column * K) + k];
                }

                Assert.That((double)found[(column * M) + row], Is.EqualTo(2 * sum));
            }
        }
    }

    [Test]
    public void Tf32_rounds_the_operands_and_float32_does_not()
    {
        using var session = new SoftwareSession();
        float[] weights = [1 + (1f / 4096), .. new float[6]];
        float[] input = [1, .. new float[6]];
        MatmulShape shape = Plain with { Rows = 1, Tokens = 1 };
        Assert.That(Multiply(session, shape, weights, input, null, null)[0], Is.EqualTo(1 + (1f / 4096)));
        Assert.That(Multiply(session, shape with { Compute = CublasComputeType.Tf32 }, weights, input, null, null)[0], Is.EqualTo(1));
    }

    [Test]
    public void Algorithms_differ_in_workspace_and_in_roundings_and_every_one_is_accepted()
    {
        using var session = new SoftwareSession();
        using CuBlasLtHandle handle = session.Libraries.CuBlasLt.CreateHandle(session.Context);
        MatmulShape shape = Plain with { Columns = 192, WeightStride = 192, InputStride = 192 };
        using var product = Matmul.Create(session.Libraries.CuBlasLt, shape);
        var found = new MatmulAlgorithm[8];
        Assert.That(product.Find(handle, 0, found), Is.EqualTo(1));
        Assert.That(product.Find(handle, 32 << 10 << 1, found), Is.EqualTo(4), "as many as the workspace allows");
        int count = product.Find(handle, 32 << 20, found);
        Assert.That(found.Take(count).Select(static one => one.WorkspaceBytes).Distinct().Count(), Is.EqualTo(5));
        float[] weights = RandomLayers.Uniform(5 * 192, 1);
        float[] input = RandomLayers.Uniform(3 * 192, 2);
        double[] expected = Product(shape, weights, input);
        var answers = new HashSet<string>();
        for (int i = 0; i < count; i++)
        {
            MatmulAlgorithm kept = found[i];
            kept.WorkspaceBytes = -1;
            Assert.That(product.Accepts(handle, ref kept), Is.True);
            Assert.That(kept.WorkspaceBytes, Is.EqualTo(found[i].WorkspaceBytes));
            float[] answer = Multiply(session, shape, weights, input, null, found[i]);
            answers.Add(string.Join(' ', answer));
            Assert.That(answer.Select(static x => (double)x), Is.EqualTo(expected).Within(Tolerance));
        }

        Assert.That(answers, Has.Count.EqualTo(3), "sums in 1, 2 and 4 parts");
        session.Device.AssertNoViolations();
    }

    [Test]
    public void What_is_not_supported_finds_no_algorithm()
    {
        using var session = new SoftwareSession(new SoftwareDeviceOptions { Unsupported = static shape => (shape.Epilogue & 32) != 0 });
        MatmulShape float8 = Plain with
        {
            Rows = 16,
            Columns = 16,
            WeightStride = 16,
            InputStride = 16,
            OutputStride = 16,
            Operand = CudaDataType.Float8E4M3,
            Output = CudaDataType.BFloat16,
        };
        Assert.Multiple(() =>
        {
            Assert.That(Found(session, Plain), Is.EqualTo(1));
            Assert.That(Found(session, Plain with { Epilogue = CublasLtEpilogue.Gelu }), Is.Zero, "by the test's order");
            Assert.That(Found(session, float8), Is.EqualTo(1));
            Assert.That(Found(session, float8 with { Rows = 8 }), Is.Zero, "FP8 rows are multiples of 16");
            Assert.That(Found(session, float8 with { Columns = 8 }), Is.Zero, "FP8 columns are multiples of 16");
            Assert.That(Found(session, float8 with { Tokens = 1 }), Is.EqualTo(1));
            Assert.That(Found(session, float8 with { Compute = CublasComputeType.Tf32 }), Is.Zero);
            Assert.That(Found(session, Plain with { Operand = CudaDataType.BFloat16, Output = CudaDataType.Float16 }), Is.Zero);
        });
        session.Device.AssertNoViolations();
    }

    [Test]
    public void Addresses_workspaces_handles_and_algorithms_are_held_to_what_was_promised()
    {
        using var session = new SoftwareSession();
        using CuBlasLtHandle handle = session.Libraries.CuBlasLt.CreateHandle(session.Context);
        using CuBlasLtHandle second = session.Libraries.CuBlasLt.CreateHandle(session.Context);
        using CudaStream stream = session.Context.CreateStream();
        using CudaStream other = session.Context.CreateStream();
        using DeviceMemory memory = session.Context.Allocate(1 << 20);
        MatmulShape shape = Plain with { Columns = 64, WeightStride = 64, InputStride = 64 };
        using var product = Matmul.Create(session.Libraries.CuBlasLt, shape);
        var found = new MatmulAlgorithm[8];
        int count = product.Find(handle, 32 << 20, found);
        Raw raw = new(session, shape, memory.Region.Address);
        session.AssertViolation(raw.Run(handle, found[0], a: 128), 7, "A at");
        session.AssertViolation(raw.Run(handle, found[0], d: 8192 + 16), 7, "D at");
        session.AssertViolation(raw.Run(handle, found[0], a: 1 << 20), 7, "in no allocation");
        session.AssertViolation(raw.Run(handle, found[0], d: 0), 7, "overlaps D");
        Assert.That(count, Is.EqualTo(5));
        session.AssertViolation(raw.Run(handle, found[2], workspaceBytes: 100), 7, "workspace");
        MatmulAlgorithm broken = found[0];
        ((ulong*)&broken)[0]++;
        session.AssertViolation(raw.Run(handle, broken), 15, "not one for it");
        Assert.That(product.Accepts(handle, ref broken), Is.False);
        Assert.That(raw.Run(handle, found[0], stream: stream.Handle), Is.Zero);
        Assert.That(raw.Run(second, found[0], stream: other.Handle), Is.Zero);
        session.AssertViolation(raw.Run(handle, found[0], stream: other.Handle), 0, "may still run");
        stream.Synchronize();
        Assert.That(raw.Run(handle, found[0], stream: other.Handle), Is.Zero);
        session.Device.AssertNoViolations();
    }

    [Test]
    public void Attributes_have_their_sizes()
    {
        using var session = new SoftwareSession();
        CuBlasLtFunctions raw = session.Libraries.CuBlasLt.Functions;
        nint preference;
        nint operation;
        raw.cublasLtMatmulPreferenceCreate(&preference);
        raw.cublasLtMatmulDescCreate(&operation, 68, 0);
        ulong value = 1;
        session.AssertViolation(raw.cublasLtMatmulPreferenceSetAttribute(preference, 1, &value, 4), 7, "4 bytes");
        session.AssertViolation(raw.cublasLtMatmulDescSetAttribute(operation, 99, &value, 4), 7, "Attribute 99");
        session.AssertViolation(raw.cublasLtMatrixLayoutDestroy(operation), 7, "in the place of");
        raw.cublasLtMatmulPreferenceDestroy(preference);
        raw.cublasLtMatmulDescDestroy(operation);
        session.End();
    }

    private static int Found(SoftwareSession session, in MatmulShape shape)
    {
        using CuBlasLtHandle handle = session.Libraries.CuBlasLt.CreateHandle(session.Context);
        using var product = Matmul.Create(session.Libraries.CuBlasLt, shape);
        return product.Find(handle, 0, new MatmulAlgorithm[1]);
    }

    private static float[] Multiply(
        SoftwareSession session, in MatmulShape shape, float[] weights, float[] input, float[]? residual, MatmulAlgorithm? chosen)
    {
        using CuBlasLtHandle handle = session.Libraries.CuBlasLt.CreateHandle(session.Context);
        using CudaStream stream = session.Context.CreateStream();
        using DeviceMemory output = session.Context.Allocate(shape.OutputBytes);
        using DeviceMemory workspace = session.Context.Allocate(32 << 20);
        using var product = Matmul.Create(session.Libraries.CuBlasLt, shape);
        var found = new MatmulAlgorithm[1];
        Assert.That(product.Find(handle, 0, found), Is.EqualTo(1));
        NumberFormat operand = Format(shape.Operand);
        product.Run(
            handle, chosen ?? found[0], session.Rounded(operand, weights), session.Rounded(operand, input),
            residual is null ? default : session.Floats(residual), output.Region, workspace.Region, stream);
        stream.Synchronize();
        return session.Read(Format(shape.Output), output.Region);
    }

    private static NumberFormat Format(CudaDataType type) => type switch
    {
        CudaDataType.Float32 => NumberFormat.Float32,
        CudaDataType.BFloat16 => NumberFormat.BFloat16,
        CudaDataType.Float16 => NumberFormat.Float16,
        _ => NumberFormat.E4M3,
    };

    private static double[] Product(in MatmulShape shape, float[] weights, float[] input)
    {
        double[] product = new double[shape.Tokens * shape.Rows];
        for (int i = 0; i < product.Length; i++)
        {
            for (int k = 0; k < shape.Columns; k++)
            {
                product[i] += (double)weights[(i % shape.Rows * shape.WeightStride) + k] * input[(i / shape.Rows * shape.InputStride) + k];
            }
        }

        return product;
    }

    // The product as nothing proves it: cublasLtMatmul with offsets into one memory.
    private sealed class Raw(SoftwareSession session, MatmulShape shape, nint memory)
    {
        public int Run(
            CuBlasLtHandle handle, MatmulAlgorithm algorithm, int a = 0, int b = 4096, int d = 8192, nuint workspaceBytes = 0,
            nint stream = 0)
        {
            CuBlasLtFunctions raw = session.Libraries.CuBlasLt.Functions;
            nint operation;
            nint layoutA;
            nint layoutB;
            nint layoutD;
            raw.cublasLtMatmulDescCreate(&operation, (int)shape.Compute, 0);
            int transposed = 1;
            raw.cublasLtMatmulDescSetAttribute(operation, 3, &transposed, 4);
            raw.cublasLtMatrixLayoutCreate(&layoutA, 0, (ulong)shape.Columns, (ulong)shape.Rows, shape.Columns);
            raw.cublasLtMatrixLayoutCreate(&layoutB, 0, (ulong)shape.Columns, (ulong)shape.Tokens, shape.Columns);
            raw.cublasLtMatrixLayoutCreate(&layoutD, 0, (ulong)shape.Rows, (ulong)shape.Tokens, shape.Rows);
            float alpha = 1;
            float beta = 0;
            CuBlasLtAlgorithm native = algorithm.Native;
            return raw.cublasLtMatmul(
                handle.Handle, operation, &alpha, memory + a, layoutA, memory + b, layoutB, &beta, memory + d, layoutD, memory + d, layoutD,
                &native, memory + 16384, workspaceBytes, stream);
        }
    }
}
