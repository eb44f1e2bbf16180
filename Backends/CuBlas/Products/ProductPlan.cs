using System.Runtime.InteropServices;
using NativeFfn.Bindings.CuBlasLt;

namespace NativeFfn.Backends.CuBlas.Products;

/// <summary>A product ready to run: its descriptors and the algorithm chosen for it. Immutable, so that any number of lanes may use it.</summary>
/// <param name="product">The descriptors.</param>
/// <param name="algorithm">The algorithm.</param>
internal sealed class ProductPlan(Matmul product, MatmulAlgorithm algorithm) : IDisposable
{
    private readonly MatmulAlgorithm _algorithm = algorithm;

    /// <summary>The descriptors.</summary>
    public Matmul Product => product;

    /// <summary>The algorithm.</summary>
    public ref readonly MatmulAlgorithm Algorithm => ref _algorithm;

    /// <summary>Whether the plan's algorithm is this one.</summary>
    public bool Runs(in MatmulAlgorithm other) => Bytes(_algorithm).SequenceEqual(Bytes(other));

    /// <inheritdoc/>
    public void Dispose() => product.Dispose();

    private static ReadOnlySpan<byte> Bytes(in MatmulAlgorithm algorithm) =>
        MemoryMarshal.AsBytes(new ReadOnlySpan<CuBlasLtAlgorithm>(in algorithm.Native));
}
