using System.Runtime.InteropServices;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Products;
using NativeFfn.Backends.CuBlas.Weights;

namespace NativeFfn.Backends.CuBlas;

/// <summary>A layer on the device: its weights and the products planned for them. Holding a reference keeps both.</summary>
internal sealed class DeviceLayer : SafeHandle
{
    // There is no one native handle; any value but 0 stands for all of them.
    private const nint Open = 1;

    private readonly DeviceLifetime _device;

    public DeviceLayer(DeviceWeights weights, ProductPlans plans, DeviceLifetime device)
        : base(0, ownsHandle: true)
    {
        _device = device.Held();
        Weights = weights;
        Plans = plans;
        SetHandle(Open);
    }

    /// <summary>The weights.</summary>
    public DeviceWeights Weights { get; }

    /// <summary>The products.</summary>
    public ProductPlans Plans { get; }

    /// <summary>The kernels of the weights' format, which are the backend's.</summary>
    public DeviceKernels Kernels => _device.Kernels;

    /// <summary>Tells asynchronous forwards when they are done.</summary>
    public DeviceCompletions Completions => _device.Completions;

    /// <summary>The most tokens for which the decode kernels run the layer; 0 for never.</summary>
    public int DecodeTokens { get; set; }

    /// <summary>Whether the decode kernels can run the layer: they end with a plain projection.</summary>
    public bool CanDecode => Weights.Spec.Stages[^1].Kind == FfnKind.Linear;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        Plans.Dispose();
        Weights.Memory.Dispose();
        _device.DangerousRelease();
        return true;
    }
}
