using System.Globalization;
using System.Runtime.InteropServices;
using NativeFfn.Backends.Storage;
using NativeFfn.Bindings.CuBlasLt;

namespace NativeFfn.Backends.CuBlas.Gemm;

/// <summary>The fastest algorithm for each shape of a GEMM, on this device with this cuBLASLt.</summary>
/// <param name="key">What the measurements depend on.</param>
/// <remarks>What is read is opaque, and may be anybody's: cuBLASLt is asked whether it accepts it before it is used.</remarks>
internal sealed class AlgorithmFile(string key)
{
    private readonly MeasurementFile _file = new("algorithms", key);

    /// <summary>The algorithm kept for a shape, or null.</summary>
    public MatmulAlgorithm? Read(in MatmulShape shape) => Parse(_file.Read(NameOf(shape)));

    /// <summary>Keeps an algorithm for a shape.</summary>
    public void Add(in MatmulShape shape, in MatmulAlgorithm algorithm) => _file.Add(
        NameOf(shape), Convert.ToHexString(MemoryMarshal.AsBytes(new ReadOnlySpan<CuBlasLtAlgorithm>(in algorithm.Native))));

    private static MatmulAlgorithm? Parse(string? text)
    {
        var algorithm = default(MatmulAlgorithm);
        Span<byte> bytes = MemoryMarshal.AsBytes(new Span<CuBlasLtAlgorithm>(ref algorithm.Native));
        return text?.Length == 2 * bytes.Length
            && Convert.FromHexString(text, bytes, out _, out int written) == System.Buffers.OperationStatus.Done && written == bytes.Length
            ? algorithm
            : null;
    }

    // Not where things are: biases and rows lie elsewhere in every run.
    private static string NameOf(in MatmulShape shape) => string.Create(
        CultureInfo.InvariantCulture,
        $"{shape.Rows}x{shape.Columns}x{shape.Tokens}:{(int)shape.Operand}:{(int)shape.Output}:{(int)shape.Compute}:{(int)shape.Epilogue}:{shape.InputStride}:{shape.OutputStride}:{shape.ResidualStride}:{shape.AlignmentBytes}");
}
