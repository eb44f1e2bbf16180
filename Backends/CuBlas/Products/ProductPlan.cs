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

    /// <inheritdoc/>
    public void Dispose() => product.Dispose();
}
