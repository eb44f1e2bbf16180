using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Software;

/// <summary>A software device with its primary context entered on this thread, for tests that begin there.</summary>
internal sealed unsafe class SoftwareSession : IDisposable
{
    public SoftwareSession(SoftwareDeviceOptions? options = null)
    {
        Device = SoftwareDevice.Start(options);
        Libraries = new CudaLibraries(Device.Driver, Device.CuBlasLt, Device.Nvrtc);
        Context = CudaContext.RetainPrimary(Libraries.Driver, Libraries.Driver.Device(0));
        Raw.cuCtxPushCurrent_v2(Context.Handle);
        Foreign = new ForeignCuda(Device) { InPrimaryContext = true };
    }

    public SoftwareDevice Device { get; }

    public CudaLibraries Libraries { get; }

    public CudaContext Context { get; }

    /// <summary>Memory of a test's own in the primary context.</summary>
    public ForeignCuda Foreign { get; }

    /// <summary>The driver's functions, without what the handles prove.</summary>
    public CudaFunctions Raw => Libraries.Driver.Functions;

    /// <summary>A kernel of a module that the caller disposes.</summary>
    public CudaModule Module(ModulePrecision precision) =>
        Context.LoadModule(Libraries.Nvrtc.Compile("kernels.cu", "", [], ["--gpu-architecture=sm_90", $"-D{precision.Macro}"]));

    /// <summary>Floats on the device.</summary>
    public DeviceRegion Floats(params ReadOnlySpan<float> values) => new(Foreign.Allocate(values), values.Length * sizeof(float));

    /// <summary>Numbers of any format on the device, rounded.</summary>
    public DeviceRegion Rounded(NumberFormat number, ReadOnlySpan<float> values)
    {
        byte[] bytes = new byte[values.Length * number.Bytes];
        fixed (byte* first = bytes)
        {
            number.Store(values, first);
        }

        return new DeviceRegion(Foreign.Allocate<byte>(bytes), bytes.Length);
    }

    /// <summary>What a region holds, whatever is still queued.</summary>
    public float[] Read(NumberFormat number, DeviceRegion region)
    {
        byte[] bytes = Foreign.Read<byte>(region.Address, (int)region.Bytes);
        float[] values = new float[bytes.Length / number.Bytes];
        fixed (byte* first = bytes)
        {
            number.Widen(first, values);
        }

        return values;
    }

    /// <summary>Asserts the status of a call, and the one violation that came with it.</summary>
    public void AssertViolation(int status, int expected, string text)
    {
        string[] violations = Device.TakeViolations();
        Assert.That(status, Is.EqualTo(expected), string.Join('\n', violations));
        Assert.That(violations, Has.Length.EqualTo(1));
        Assert.That(violations[0], Does.Contain(text));
    }

    /// <summary>Gives everything back and asserts that nothing was done wrong.</summary>
    public void End()
    {
        Leave();
        Device.AssertClean();
        Device.Dispose();
    }

    public void Dispose()
    {
        Leave();
        Device.Dispose();
    }

    private void Leave()
    {
        if (!Context.IsClosed)
        {
            nint popped;
            Raw.cuCtxPopCurrent_v2(&popped);
            Context.Dispose();
        }
    }
}
