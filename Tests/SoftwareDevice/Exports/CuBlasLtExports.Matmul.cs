using System.Runtime.InteropServices;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

internal static unsafe partial class CuBlasLtExports
{
    private const int TileRows = 64;
    private const int WorkspaceAlignment = 256;

    [UnmanagedCallersOnly]
    public static int cublasLtMatmulAlgoGetHeuristic(
        nint handle, nint operation, nint a, nint b, nint c, nint d, nint preference, int wanted, nint results, nint found) =>
        Run(nameof(cublasLtMatmulAlgoGetHeuristic), (handle, operation, a, b, c, d, preference, wanted, results, found),
            static (device, x) =>
        {
            *(int*)x.found = 0;
            RequireContext(device, x.handle);

            // As cuBLASLt 13.3 does; older versions would answer.
            ForbidInCapture(Find<SoftwareCublasHandle>(device, x.handle).Context, nameof(cublasLtMatmulAlgoGetHeuristic));
            if (x.wanted <= 0)
            {
                throw new NativeFailure(CublasResult.InvalidValue, $"{x.wanted} algorithms were wanted.");
            }

            MatmulProblem problem = Problem(device, x.operation, x.a, x.b, x.c, x.d);
            List<MatmulChoice> choices = MatmulChoice.For(
                problem, Find<MatmulPreference>(device, x.preference), Math.Min(x.wanted, device.Options.Algorithms));
            for (int i = 0; i < choices.Count; i++)
            {
                Write(device, problem, choices[i], (HeuristicResult*)x.results + i);
            }

            *(int*)x.found = choices.Count;
            return choices.Count > 0 ? CublasResult.Success : CublasResult.NotSupported;
        });

    [UnmanagedCallersOnly]
    public static int cublasLtMatmulAlgoCheck(nint handle, nint operation, nint a, nint b, nint c, nint d, nint algorithm, nint result) =>
        Run(nameof(cublasLtMatmulAlgoCheck), (handle, operation, a, b, c, d, algorithm, result), static (device, x) =>
        {
            RequireContext(device, x.handle);
            MatmulProblem problem = Problem(device, x.operation, x.a, x.b, x.c, x.d);
            if (MatmulChoice.Read((ulong*)x.algorithm) is not { } choice)
            {
                return CublasResult.InvalidValue;
            }

            if (!choice.Fits(problem))
            {
                return CublasResult.NotSupported;
            }

            Write(device, problem, choice, (HeuristicResult*)x.result);
            return CublasResult.Success;
        });

    [UnmanagedCallersOnly]
    public static int cublasLtMatmul(
        nint handle, nint operation, nint alpha, nint a, nint layoutA, nint b, nint layoutB, nint beta, nint c, nint layoutC, nint d,
        nint layoutD,
        nint algorithm, nint workspace, nuint workspaceBytes, nint stream) =>
        Run(
            nameof(cublasLtMatmul),
            (handle, operation, alpha, a, layoutA, b, layoutB, beta, c, layoutC, d, layoutD, algorithm, workspace, workspaceBytes, stream),
            static (device, x) =>
            {
                SoftwareCublasHandle handle = RequireContext(device, x.handle);
                MatmulProblem problem = Problem(device, x.operation, x.layoutA, x.layoutB, x.layoutC, x.layoutD);
                if (x.alpha == 0 || x.beta == 0 || x.algorithm == 0)
                {
                    throw new NativeFailure(CublasResult.InvalidValue, "A product without alpha, beta or algorithm.");
                }

                if (MatmulChoice.Read((ulong*)x.algorithm) is not { } choice || !choice.Fits(problem))
                {
                    throw new NativeFailure(CublasResult.NotSupported, "A product was run with an algorithm that is not one for it.");
                }

                var operands = new MatmulOperands(x.a, x.b, x.c, x.d, x.workspace, *(float*)x.alpha, *(float*)x.beta);
                Prove(device, handle, problem, choice, operands, x.workspaceBytes);
                try
                {
                    SoftwareStream stream = StreamQueue.Find(device, x.stream);
                    var launch = new Launch(x.stream, LaunchKind.Matmul, nameof(cublasLtMatmul))
                    {
                        Matmul = problem.Shape with
                        {
                            Beta = operands.Beta,
                            Algorithm = choice.Index,
                            WorkspaceBytes = choice.WorkspaceBytes(problem),
                        },
                    };
                    StreamQueue.Put(device, stream, new MatmulOperation(launch, handle, problem, choice, operands));
                    return CublasResult.Success;
                }
                catch (NativeFailure failure)
                {
                    throw new NativeFailure(CublasResult.ExecutionFailed, failure.Violation);
                }
            });

    private static SoftwareCublasHandle RequireContext(SoftwareDevice device, nint handle)
    {
        SoftwareCublasHandle found = Find<SoftwareCublasHandle>(device, handle);
        return device.Contexts.TryPeek(out SoftwareContext? current) && current == found.Context
            ? found
            : throw new NativeFailure(CublasResult.NotInitialized, "A cuBLASLt handle was used outside of its context.");
    }

    private static MatmulProblem Problem(SoftwareDevice device, nint operation, nint a, nint b, nint c, nint d) =>
        MatmulProblem.Read(
            device, Find<MatmulDescriptor>(device, operation), Find<MatrixLayout>(device, a), Find<MatrixLayout>(device, b),
            Find<MatrixLayout>(device, c),
            Find<MatrixLayout>(device, d));

    // Every address against what was claimed of it, and every matrix against the memory that there is.
    private static void Prove(
        SoftwareDevice device, SoftwareCublasHandle handle, MatmulProblem problem, MatmulChoice choice, MatmulOperands operands,
        nuint workspaceBytes)
    {
        MatmulLaunch shape = problem.Shape;
        int operandRowsA = problem.IsTransposedA ? shape.K : shape.M;
        int operandRowsB = problem.IsTransposedB ? shape.N : shape.K;
        Span<(string Name, nint Address, long Bytes)> matrices =
        [
            ("A", operands.A, Bytes(operandRowsA, problem.IsTransposedA ? shape.M : shape.K, problem.LeadingA, shape.Operand)),
            ("B", operands.B, Bytes(operandRowsB, problem.IsTransposedB ? shape.K : shape.N, problem.LeadingB, shape.Operand)),
            ("C", operands.C, operands.Beta == 0 ? 0 : Bytes(shape.M, shape.N, problem.LeadingC, shape.Output)),
            ("D", operands.D, Bytes(shape.M, shape.N, problem.LeadingD, shape.Output)),
            ("the workspace", operands.Workspace, choice.WorkspaceBytes(problem)),
        ];
        for (int i = 0; i < matrices.Length; i++)
        {
            (string name, nint address, long bytes) = matrices[i];
            if (bytes == 0)
            {
                continue;
            }

            int alignment = i == 4 ? WorkspaceAlignment : choice.Alignment(i);
            if (address == 0 || address % alignment != 0)
            {
                throw new NativeFailure(
                    CublasResult.InvalidValue, $"{name} at 0x{address:x} is not aligned to the {alignment} bytes that were promised.");
            }

            _ = device.Memory.Resolve(address, bytes, handle.Context.Ordinal, $"{name} of a product", CublasResult.InvalidValue);
            bool isOwnOutput = i == 3 || (i == 2 && address == operands.D && problem.LeadingC == problem.LeadingD);
            if (!isOwnOutput && address < operands.D + matrices[3].Bytes && operands.D < address + bytes)
            {
                throw new NativeFailure(CublasResult.InvalidValue, $"{name} of a product overlaps D.");
            }
        }

        if ((ulong)choice.WorkspaceBytes(problem) > workspaceBytes)
        {
            throw new NativeFailure(
                CublasResult.InvalidValue,
                $"An algorithm needs {choice.WorkspaceBytes(problem)} bytes of workspace and was given {workspaceBytes}.");
        }
    }

    private static long Bytes(int rows, int columns, long leading, NumberFormat number) => (((columns - 1) * leading) + rows) * number.Bytes;

    private static void Write(SoftwareDevice device, MatmulProblem problem, MatmulChoice choice, HeuristicResult* result)
    {
        *result = default;
        choice.Write(result->Algorithm);
        result->State = device.AlgorithmState(choice.Index);
        result->WorkspaceSize = (nuint)choice.WorkspaceBytes(problem);
        float tiles = (float)((problem.Shape.M + TileRows - 1) / TileRows) * ((problem.Shape.N + TileRows - 1) / TileRows);
        result->WavesCount = tiles / device.Options.Multiprocessors;
    }

    // cublasLtMatmulHeuristicResult_t, 96 bytes.
    [StructLayout(LayoutKind.Sequential)]
    private struct HeuristicResult
    {
        public fixed ulong Algorithm[8];
        public nuint WorkspaceSize;
        public int State;
        public float WavesCount;
        public fixed int Reserved[4];
    }
}
