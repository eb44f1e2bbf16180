using System.Runtime.InteropServices;
using NativeFfn.Bindings.CuBlasLt;

namespace NativeFfn.Backends.CuBlas.Gemm;

/// <summary>A GEMM ready to run: its descriptors and the algorithm chosen for it. Immutable, so that any number of streams may use it.</summary>
/// <param name="matmul">The descriptors.</param>
/// <param name="algorithm">The algorithm.</param>
internal sealed class GemmPlan(Matmul matmul, MatmulAlgorithm algorithm) : IDisposable
{
    private readonly MatmulAlgorithm _algorithm = algorithm;

    /// <summary>The descriptors.</summary>
    public Matmul Matmul => matmul;

    /// <summary>The algorithm.</summary>
    public ref readonly MatmulAlgorithm Algorithm => ref _algorithm;

    /// <summary>Whether the plan's algorithm is this one.</summary>
    public bool Runs(in MatmulAlgorithm other) => Bytes(_algorithm).SequenceEqual(Bytes(other));

    /// <inheritdoc/>
    public void Dispose() => matmul.Dispose();

    private static ReadOnlySpan<byte> Bytes(in MatmulAlgorithm algorithm) =>
        MemoryMarshal.AsBytes(new ReadOnlySpan<CuBlasLtAlgorithm>(in algorithm.Native));
}
