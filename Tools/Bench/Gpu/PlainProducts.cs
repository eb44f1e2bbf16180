using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Gpu;

/// <summary>
/// The layer's products and nothing else, each by the fastest algorithm that cuBLASLt proposes: gate and up as one, and down. What is
/// between them, and the residual, is left out, so that no layer made of such products can be faster.
/// </summary>
internal sealed class PlainProducts : IDisposable
{
    // Proposals that are timed.
    private const int Candidates = 8;

    // What NVIDIA recommends for Hopper, and more than older devices use.
    private const long WorkspaceBytes = 32 << 20;

    // Of every matrix: what cuMemAlloc gives, and more than cuBLASLt asks for.
    private const int Alignment = 256;

    // Time for finding the fastest algorithm, all of them together, as a part of that for measuring it.
    private const double SearchPart = 0.25;

    // Rows are padded as a layer's own are.
    private const int Padding = 16;

    private readonly CudaStream _stream;
    private readonly CuBlasLtLibrary _library;
    private readonly CuBlasLtHandle _handle;
    private readonly DeviceMemory _workspace;
    private readonly DeviceTimer _timer;
    private readonly RandomNumbers _numbers;

    /// <summary>Takes a stream into use, which nothing else uses meanwhile.</summary>
    public PlainProducts(CuBlasLtLibrary library, CudaStream stream)
    {
        (_library, _stream) = (library, stream);
        _handle = library.CreateHandle(stream.Context);
        _workspace = stream.Context.Allocate(WorkspaceBytes);
        _timer = new DeviceTimer(stream);
        _numbers = new RandomNumbers(stream);
    }

    /// <summary>Milliseconds of both products together, on weights that take turns; null where cuBLASLt has no algorithm for one of them.</summary>
    /// <param name="spec">The layer.</param>
    /// <param name="precision">The precision.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="seconds">Time for the fastest algorithm of a product; finding it comes on top.</param>
    public double? Measure(FfnSpec spec, FfnPrecision precision, int tokens, double seconds) =>
        MeasureOne(precision, 2 * Padded(spec.DFf), Padded(spec.DModel), tokens, seconds)
        + MeasureOne(precision, Padded(spec.DModel), Padded(spec.DFf), tokens, seconds);

    public void Dispose()
    {
        _numbers.Dispose();
        _timer.Dispose();
        _workspace.Dispose();
        _handle.Dispose();
    }

    private static int Padded(int width) => (width + Padding - 1) / Padding * Padding;

    private double? MeasureOne(FfnPrecision precision, int rows, int columns, int tokens, double seconds)
    {
        (CudaDataType operand, CudaDataType result, CublasComputeType compute) = GpuPrecisions.TypesOf(precision);
        var shape = new MatmulShape
        {
            Rows = rows,
            Columns = columns,
            Tokens = tokens,
            WeightStride = columns,
            InputStride = columns,
            OutputStride = rows,
            Operand = operand,
            Output = result,
            Compute = compute,
            Epilogue = CublasLtEpilogue.Default,
            AlignmentBytes = Alignment,
        };
        using Matmul product = Matmul.Create(_library, shape);
        var found = new MatmulAlgorithm[Candidates];
        int count = product.Find(_handle, WorkspaceBytes, found);
        CudaContext context = _stream.Context;
        int copies = WeightRotation.OnDevice(shape.WeightBytes, context.Device.CacheBytes).Copies;
        using DeviceMemory weights = context.Allocate(copies * shape.WeightBytes);
        using DeviceMemory input = context.Allocate(shape.InputBytes);
        using DeviceMemory output = context.Allocate(shape.OutputBytes);
        _numbers.Fill(weights.Region, operand);
        _numbers.Fill(input.Region, operand);
        if (count == 0)
        {
            return null;
        }

        MatmulAlgorithm fastest = found.Take(count).MinBy(algorithm => Time(algorithm, SearchPart * seconds / count));

        // Once more, by times that had no part in the choice: the best of several is lucky, too.
        return Time(fastest, seconds);

        double Time(MatmulAlgorithm algorithm, double duration) => _timer.Measure(duration, run => product.Run(
            _handle, algorithm, weights.Region.Slice(run % copies * shape.WeightBytes, shape.WeightBytes), input.Region, default,
            output.Region, _workspace.Region, _stream)).MedianMs;
    }
}
