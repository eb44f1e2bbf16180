using NativeFfn.Tests.Software;
using NUnit.Framework;

namespace NativeFfn.Tests.Support;

/// <summary>What a run was promised, held against what a device has.</summary>
[NonParallelizable]
public sealed class TestBackendsTests
{
    [Test]
    public void A_promised_backend_may_lack_a_precision()
    {
        string? before = Environment.GetEnvironmentVariable(TestBackends.RequiredVariable);
        using SoftwareDevice device = SoftwareDevice.Start(new SoftwareDeviceOptions { Major = 8, Minor = 0 });
        Environment.SetEnvironmentVariable(TestBackends.RequiredVariable, "managed,cublas");
        try
        {
            Assert.That(TestBackends.PrecisionsOf(BackendKind.CuBlas), Is.EquivalentTo(
                new[] { FfnPrecision.Float32, FfnPrecision.Tf32, FfnPrecision.BFloat16, FfnPrecision.Float16 }));
            Assert.Throws<IgnoreException>(static () => TestBackends.Open(BackendKind.CuBlas, 1, FfnPrecision.Float8).Dispose());
            Assert.Throws<IgnoreException>(static () => TestBackends.Open(BackendKind.Managed, 1, FfnPrecision.Tf32).Dispose());
            TestBackends.Open(BackendKind.CuBlas, 1, FfnPrecision.Float16).Dispose();
        }
        finally
        {
            Environment.SetEnvironmentVariable(TestBackends.RequiredVariable, before);
        }

        device.AssertClean();
    }
}
