using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>A module of one precision, and launches that are waited for.</summary>
internal sealed unsafe class KernelSession(int precision) : IDisposable
{
    public SoftwareSession Session { get; } = new();

    public ModulePrecision Precision => ModulePrecision.All[precision];

    public CudaModule Module => field ??= Session.Module(Precision);

    public nint Floats(float[] values) => Session.Floats(values).Address;

    public DeviceRegion Fresh(int bytes) => new(Session.Foreign.Allocate(bytes), bytes);

    // The numbers as the format has them.
    public float[] Rounded(NumberFormat number, float[] values, out nint address)
    {
        DeviceRegion region = Session.Rounded(number, values);
        address = region.Address;
        return Session.Read(number, region);
    }

    public CudaKernel Kernel(string name) => Module.Kernel(name);

    public void Queue<T>(string name, int gridX, int gridY, T argument)
        where T : unmanaged
    {
        using CudaStream stream = Session.Context.AdoptStream(0);
        stream.Launch(Kernel(name), new LaunchShape(gridX, gridY, 256), &argument);
    }

    public void Launch<T>(string name, int gridX, int gridY, T argument)
        where T : unmanaged
    {
        Queue(name, gridX, gridY, argument);
        Session.Context.Synchronize();
        Session.Device.AssertNoViolations();
    }

    public void Dispose()
    {
        Module.Dispose();
        Session.Dispose();
    }
}
