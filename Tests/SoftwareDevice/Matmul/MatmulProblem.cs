using System.Numerics;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>One product as its descriptors say it, proven.</summary>
internal sealed record MatmulProblem
{
    // cublasComputeType_t.
    private const int Compute32F = 68;
    private const int ComputeTensorFloat32 = 77;

    // cublasLtEpilogue_t, by bits: RELU 2, BIAS 4, GELU 32.
    private const int EpilogueDefault = 1;
    private const int EpilogueRelu = 2;
    private const int EpilogueBias = 4;
    private const int EpilogueGelu = 32;

    private const int Float8Multiple = 16;

    private MatmulProblem(MatmulLaunch shape) => Shape = shape;

    public MatmulLaunch Shape { get; }

    public required bool IsTransposedA { get; init; }

    public required bool IsTransposedB { get; init; }

    public required long LeadingA { get; init; }

    public required long LeadingB { get; init; }

    public required long LeadingC { get; init; }

    public required long LeadingD { get; init; }

    public required nint Bias { get; init; }

    public required NumberFormat BiasType { get; init; }

    public bool HasBias => (Shape.Epilogue & EpilogueBias) != 0;

    public bool HasRelu => (Shape.Epilogue & EpilogueRelu) != 0;

    public bool HasGelu => (Shape.Epilogue & EpilogueGelu) != 0;

    public bool IsTensorFloat32 => Shape.Compute == ComputeTensorFloat32;

    /// <summary>What an algorithm is for; one is never run for another combination.</summary>
    public ulong Signature => (uint)(Shape.Operand.MantissaBits | (Shape.Output.MantissaBits << 5) | (Shape.Compute << 10)
        | (Shape.Epilogue << 20) | (IsTransposedA ? 1 << 28 : 0) | (IsTransposedB ? 1 << 29 : 0));

    /// <summary>Reads the descriptors, or fails with the status that they get.</summary>
    public static MatmulProblem Read(
        SoftwareDevice device, MatmulDescriptor operation, MatrixLayout a, MatrixLayout b, MatrixLayout c, MatrixLayout d)
    {
        foreach (int? unmodelled in (ReadOnlySpan<int?>)[operation.Unmodelled, a.Unmodelled, b.Unmodelled, c.Unmodelled, d.Unmodelled])
        {
            Require(unmodelled is null, $"attribute {unmodelled}, which the software device does not know,", CublasResult.NotSupported);
        }

        (long m, long k) = operation.IsTransposedA ? (a.Columns, a.Rows) : (a.Rows, a.Columns);
        (long innerB, long n) = operation.IsTransposedB ? (b.Columns, b.Rows) : (b.Rows, b.Columns);
        Require(m > 0 && n > 0 && k > 0 && m <= int.MaxValue && n <= int.MaxValue && k <= int.MaxValue, $"m {m}, n {n}, k {k}");
        Require(innerB == k, $"inner dimensions {k} and {innerB}");
        Require(
            c.Rows == m && c.Columns == n && d.Rows == m && d.Columns == n,
            $"C [{c.Rows}, {c.Columns}] and D [{d.Rows}, {d.Columns}] for [{m}, {n}]");
        Require(
            a.Leading >= a.Rows && b.Leading >= b.Rows && c.Leading >= c.Rows && d.Leading >= d.Rows,
            "a leading dimension shorter than its column");
        Require(operation.Scale == 0, "a scale type other than float32");
        NumberFormat? operand = Type(a.Type);
        NumberFormat? output = Type(d.Type);
        if (operand is null || output is null || a.Type != b.Type || c.Type != d.Type
            || !IsSupported(operand, output, operation.Compute) || !IsEpilogue(operation.Epilogue))
        {
            throw new NativeFailure(CublasResult.NotSupported);
        }

        var shape = new MatmulLaunch
        {
            M = (int)m, N = (int)n, K = (int)k, Operand = operand, Output = output, Compute = operation.Compute,
            Epilogue = operation.Epilogue,
        };
        var problem = new MatmulProblem(shape)
        {
            IsTransposedA = operation.IsTransposedA,
            IsTransposedB = operation.IsTransposedB,
            LeadingA = a.Leading,
            LeadingB = b.Leading,
            LeadingC = c.Leading,
            LeadingD = d.Leading,
            Bias = operation.Bias,
            BiasType = operation.BiasType == -1
                ? DefaultBias(operand, output)
                : Type(operation.BiasType) ?? throw new NativeFailure(CublasResult.NotSupported),
        };
        Require(!problem.HasBias || problem.Bias != 0, "an epilogue with a bias, whose pointer was not set,");
        bool isAllowed = (!problem.HasBias || problem.BiasType == DefaultBias(operand, output))
            && (operand != NumberFormat.E4M3 || problem.FitsFloat8(a, b)) && !device.Unsupported(shape);
        return isAllowed ? problem : throw new NativeFailure(CublasResult.NotSupported);
    }

    private bool FitsFloat8(MatrixLayout a, MatrixLayout b) =>
        IsTransposedA && !IsTransposedB && Shape.M % Float8Multiple == 0 && Shape.K % Float8Multiple == 0
        && a.Leading % Float8Multiple == 0 && b.Leading % Float8Multiple == 0;

    private static bool IsSupported(NumberFormat operand, NumberFormat output, int compute) =>
        (compute == Compute32F || (compute == ComputeTensorFloat32 && operand == NumberFormat.Float32))
        && (operand == NumberFormat.E4M3 ? output != operand : output == operand || output == NumberFormat.Float32);

    private static bool IsEpilogue(int epilogue) =>
        epilogue is EpilogueDefault or EpilogueRelu or EpilogueGelu
            or EpilogueBias or (EpilogueRelu | EpilogueBias) or (EpilogueGelu | EpilogueBias);

    // FP8 products have a 16-bit bias, whatever they write.
    private static NumberFormat DefaultBias(NumberFormat operand, NumberFormat output) =>
        operand == NumberFormat.E4M3 && output == NumberFormat.Float32 ? NumberFormat.BFloat16 : output;

    private static NumberFormat? Type(int cudaDataType) => cudaDataType switch
    {
        0 => NumberFormat.Float32,
        2 => NumberFormat.Float16,
        14 => NumberFormat.BFloat16,
        28 => NumberFormat.E4M3,
        _ => null,
    };

    private static void Require(bool isRight, string what, int status = CublasResult.InvalidValue)
    {
        if (!isRight)
        {
            throw new NativeFailure(status, $"A product was described with {what}.");
        }
    }
}

/// <summary>What the 64 bytes of a cublasLtMatmulAlgo_t hold here.</summary>
internal readonly unsafe record struct MatmulChoice(int Index, int Parts, ulong Signature, int AlignmentBits)
{
    // Four matrices' alignments as powers of two, a byte each.
    private const int BitsPerMatrix = 8;
    private const ulong Magic = 0x4150_4F4C_4C4F_5353;
    private const int LeastColumnsOfPart = 16;
    private const long TileBytes = 32 << 10;

    // Sums are made in so many parts; an odd choice takes its workspace for the parts' sums, an even one for tiles.
    private static readonly int[] PartsOf = [1, 2, 1, 4, 1];

    /// <summary>Every choice that fits, best first by the library's own estimate.</summary>
    public static List<MatmulChoice> For(MatmulProblem problem, MatmulPreference preference, int most)
    {
        var found = new List<MatmulChoice>();
        int alignmentBits = 0;
        for (int matrix = 0; matrix < 4; matrix++)
        {
            alignmentBits |= BitOperations.Log2((uint)preference.Alignment(matrix)) << (matrix * BitsPerMatrix);
        }

        for (int index = 0; index < PartsOf.Length; index++)
        {
            var choice = new MatmulChoice(index, PartsOf[index], problem.Signature, alignmentBits);
            bool fits = choice.Fits(problem) && (ulong)choice.WorkspaceBytes(problem) <= preference.MaxWorkspaceBytes
                && (choice.Parts == 1 || preference.AllowsReduction);
            if (fits && found.Count < most)
            {
                found.Add(choice);
            }
        }

        return found;
    }

    /// <summary>Null where the bytes are none of ours.</summary>
    public static MatmulChoice? Read(ulong* algorithm)
    {
        int index = (int)algorithm[1];
        return algorithm[0] == Magic && index >= 0 && index < PartsOf.Length && algorithm[2] == (ulong)PartsOf[index]
            ? new MatmulChoice(index, PartsOf[index], algorithm[3], (int)algorithm[4])
            : null;
    }

    public void Write(ulong* algorithm)
    {
        new Span<ulong>(algorithm, 8).Clear();
        (algorithm[0], algorithm[1], algorithm[2], algorithm[3], algorithm[4]) =
            (Magic, (ulong)Index, (ulong)Parts, Signature, (ulong)AlignmentBits);
    }

    public bool Fits(MatmulProblem problem) =>
        Signature == problem.Signature && (Parts == 1 || problem.Shape.K >= Parts * LeastColumnsOfPart);

    public long WorkspaceBytes(MatmulProblem problem) =>
        Parts > 1 ? (long)Parts * problem.Shape.M * problem.Shape.N * sizeof(float) : Index * TileBytes;

    /// <summary>What the address of a matrix must be a multiple of.</summary>
    public int Alignment(int matrix) => 1 << ((AlignmentBits >> (matrix * BitsPerMatrix)) & 0xFF);
}
