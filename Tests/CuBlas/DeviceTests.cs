using NativeFfn.Bindings.Loading;
using NativeFfn.Tests.Software;
using NUnit.Framework;

namespace NativeFfn.Tests.OnDevice;

/// <summary>The base of tests of the cuBLAS backend on a software device: what it computes is no GPU's, what the backend asks of it is.</summary>
[NonParallelizable]
[Category(nameof(SoftwareDevice))]
public abstract class DeviceTests
{
    /// <summary>A device with all precisions, and with workspaces of 4 MiB in the place of Hopper's 32: the software device writes to all of it.</summary>
    internal static SoftwareDeviceOptions Ada { get; } = new() { Major = 8, Minor = 9 };

    private string? _cacheBefore;
    private SoftwareDevice? _device;

    /// <summary>The cache of the test: of compiled kernels and of what was measured.</summary>
    protected string Cache { get; private set; } = string.Empty;

    private protected SoftwareDevice Device => _device!;

    [SetUp]
    public void MakeCache()
    {
        _cacheBefore = Environment.GetEnvironmentVariable(UserCache.Variable);
        Cache = Directory.CreateTempSubdirectory("nativeffn-device").FullName;
        Environment.SetEnvironmentVariable(UserCache.Variable, Cache);
    }

    [TearDown]
    public void EndDevice()
    {
        Environment.SetEnvironmentVariable(UserCache.Variable, _cacheBefore);
        Directory.Delete(Cache, recursive: true);
        try
        {
            _device?.AssertClean();
        }
        finally
        {
            _device?.Dispose();
            _device = null;
        }
    }

    /// <summary>A device, which is asserted to be clean when the test ends.</summary>
    private protected SoftwareDevice Start(SoftwareDeviceOptions? options = null) => _device = SoftwareDevice.Start(options ?? Ada);

    /// <summary>Options of an engine on a device; the current one where none is given.</summary>
    private protected static FfnEngineOptions Options(
        FfnPrecision precision = FfnPrecision.Float32, int? decodeTokens = 0, SoftwareDevice? device = null) => new()
        {
            Backend = BackendKind.CuBlas,
            Precision = precision,
            DecodeTokens = decodeTokens,
            Cuda = (device ?? SoftwareDevice.Current!).AsSource(),
        };

    private protected static FfnEngine Open(FfnPrecision precision = FfnPrecision.Float32, int? decodeTokens = 0) =>
        FfnEngine.Create(Options(precision, decodeTokens));
}
