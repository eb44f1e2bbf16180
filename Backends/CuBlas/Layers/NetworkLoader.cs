using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Products;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Layers;

/// <summary>Brings the networks of one layer to the device.</summary>
/// <param name="format">How matrices are kept.</param>
/// <param name="memory">Gives device memory.</param>
/// <param name="uploader">Carries weights over.</param>
/// <param name="library">cuBLASLt.</param>
/// <param name="algorithms">Algorithms that were measured before.</param>
/// <param name="device">What layers stand on.</param>
internal sealed class NetworkLoader(
    DeviceFormat format, DeviceAllocator memory, WeightUploader uploader, CuBlasLtLibrary library, AlgorithmFile algorithms, DeviceLifetime device)
{
    /// <summary>How matrices are kept.</summary>
    public DeviceFormat Format => format;

    /// <summary>What layers stand on.</summary>
    public DeviceLifetime Device => device;

    /// <summary>Carries weights over.</summary>
    public WeightUploader Uploader => uploader;

    /// <summary>Takes memory for a layer's weights, not cleared.</summary>
    public DeviceMemory Allocate(long bytes, FfnSpec spec) => memory.Allocate(bytes, $"The weights of {spec}");

    /// <summary>Uploads a network.</summary>
    /// <param name="places">Where its tensors lie.</param>
    /// <param name="source">Its weights.</param>
    /// <param name="region">Its memory.</param>
    /// <param name="plans">The products of a network of the same shape, where neither has biases; null makes some.</param>
    public DeviceNetwork Load(WeightPlaces places, IFfnWeightSource source, DeviceRegion region, ProductPlans? plans = null)
    {
        var weights = new DeviceWeights(places, source, region, uploader);
        return new DeviceNetwork(weights, plans ?? new ProductPlans(weights, library, algorithms), device.Kernels);
    }
}
