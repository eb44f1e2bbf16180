using NativeFfn.Tests.Software;
using NUnit.Framework;
using NUnit.Framework.Internal;

namespace NativeFfn.Tests.Support;

/// <summary>The backends that every parity, property and behaviour test runs on. A new backend is tested by a line here; cuBLAS without a GPU on the software device, which is no cuBLAS.</summary>
public static class TestBackends
{
    /// <summary>
    /// Names, separated by commas, of backends that must be there. Tests of an absent backend fail where it is named and are ignored where not.
    /// </summary>
    public const string RequiredVariable = "NATIVEFFN_REQUIRE_BACKENDS";

    // Both ways of a GPU's backend are met: its decode kernels up to this many tokens, cuBLASLt's products beyond.
    private const int DecodeTokens = 4;

    private static readonly BackendKind[] OnCpu = [BackendKind.Managed, BackendKind.Mkl];

    /// <summary>Whether this machine has a GPU that the cuBLAS backend can use.</summary>
    public static bool HasGpu { get; } = Opens(new FfnEngineOptions { Backend = BackendKind.CuBlas });

    /// <summary>One fixture a backend, in a category of the backend's name, so that a run can count what ran where.</summary>
    public static IEnumerable<TestFixtureData> Fixtures()
    {
        foreach (BackendKind backend in (BackendKind[])[.. OnCpu, BackendKind.Cblas, BackendKind.CuBlas, BackendKind.Reference])
        {
            yield return Fixture(backend, backend);
        }
    }

    /// <summary>The same without the reference, which is slow and allocates.</summary>
    public static IEnumerable<TestFixtureData> FastFixtures() =>
        ((BackendKind[])[.. OnCpu, BackendKind.CuBlas]).Select(static backend => Fixture(backend, backend));

    /// <summary>The same for tests that cannot be given the software device.</summary>
    public static IEnumerable<TestFixtureData> RealFixtures() =>
        ((BackendKind[])[.. OnCpu, .. HasGpu ? (BackendKind[])[BackendKind.CuBlas] : []]).Select(static backend => Fixture(backend, backend));

    /// <summary>The same for tests of the GPU's backend, on a GPU or the software device.</summary>
    public static IEnumerable<TestFixtureData> DeviceFixtures() => [Fixture(BackendKind.CuBlas, BackendKind.CuBlas)];

    /// <summary>The same for tests of the processor's backends.</summary>
    public static IEnumerable<TestFixtureData> CpuFixtures() => OnCpu.Select(static backend => Fixture(backend, backend));

    /// <summary>One fixture a backend and precision; of a GPU's, those in which it rounds nothing but weights.</summary>
    public static IEnumerable<TestFixtureData> PrecisionFixtures() =>
        CpuPrecisionFixtures()
            .Append(Fixture(BackendKind.CuBlas, BackendKind.CuBlas, FfnPrecision.Float32))
            .Append(Fixture(BackendKind.Reference, BackendKind.Reference, FfnPrecision.Float32));

    /// <summary>One fixture a precision and backend on the CPU.</summary>
    public static IEnumerable<TestFixtureData> CpuPrecisionFixtures()
    {
        foreach (BackendKind backend in OnCpu)
        {
            foreach (FfnPrecision precision in CpuPrecisionsAttribute.All)
            {
                yield return Fixture(backend, backend, precision);
            }
        }
    }

    /// <summary>One fixture a form: panels of 4, 2 and 1 bytes a weight, panels that are decoded, and for a library rows, and panels that are widened for it.</summary>
    public static IEnumerable<TestFixtureData> StorageFixtures() =>
    [
        Fixture(BackendKind.Managed, BackendKind.Managed, FfnPrecision.Float32),
        Fixture(BackendKind.Managed, BackendKind.Managed, FfnPrecision.BFloat16),
        Fixture(BackendKind.Managed, BackendKind.Managed, FfnPrecision.Int8),
        Fixture(BackendKind.Managed, BackendKind.Managed, FfnPrecision.Int4),
        Fixture(BackendKind.Managed, BackendKind.Managed, FfnPrecision.Float8),
        Fixture(BackendKind.Mkl, BackendKind.Mkl, FfnPrecision.Float8),
        Fixture(BackendKind.Mkl, BackendKind.Mkl, FfnPrecision.Float32),
        Fixture(BackendKind.Mkl, BackendKind.Mkl, FfnPrecision.Float16),
        Fixture(BackendKind.CuBlas, BackendKind.CuBlas, FfnPrecision.Float32),
        Fixture(BackendKind.Reference, BackendKind.Reference, FfnPrecision.Float32),
    ];

    /// <summary>The precisions by name that a backend has here; a GPU may lack some that its backend knows.</summary>
    public static FfnPrecision[] PrecisionsOf(BackendKind backend) =>
        [.. Enum.GetValues<FfnPrecision>().Where(static precision => !precision.FollowsWeights()).Where(precision => Opens(OptionsOf(backend, 1) with { Precision = precision }))];

    /// <summary>Opens an engine; where the backend is absent the test is ignored, or fails if the backend was promised.</summary>
    public static FfnEngine Open(BackendKind backend, int threads) => Open(OptionsOf(backend, threads));

    /// <summary>The options of the fixtures' engines.</summary>
    /// <remarks>
    /// Test layers are small: every multiply-add is worth a thread here, so that they are cut as large ones are. A library means its sgemm: left
    /// to choose, it would leave the work to the kernels that are tested as the managed backend.
    /// </remarks>
    public static FfnEngineOptions OptionsOf(BackendKind backend, int threads) => new()
    {
        Backend = backend,
        Threads = threads,
        Kernel = backend is BackendKind.Mkl or BackendKind.Cblas ? CpuKernel.Sgemm : CpuKernel.Auto,
        MinimumSliceWork = 1,
        DecodeTokens = DecodeTokens,
        Cuda = backend == BackendKind.CuBlas ? SoftwareDevice.Current?.AsSource() : null,
    };

    /// <summary>Where there is no GPU, the software device stands in for one, until it is disposed.</summary>
    internal static SoftwareDevice? StartDevice(BackendKind backend) =>
        backend == BackendKind.CuBlas && !HasGpu && !IsRequired(backend) ? SoftwareDevice.Start() : null;

    /// <summary>
    /// Opens an engine of other options; where the backend is absent the test is ignored, or fails if the backend was promised. A precision
    /// was not: where the device lacks it the test is ignored.
    /// </summary>
    public static FfnEngine Open(FfnEngineOptions options)
    {
        BackendKind backend = options.Backend;
        try
        {
            return FfnEngine.Create(options);
        }
        catch (BackendUnavailableException absent)
        {
            if (IsRequired(backend) && !Opens(options with { Precision = FfnPrecision.Float32 }))
            {
                Assert.Fail($"{RequiredVariable} promises '{Names<BackendKind>.Of(backend)}'. {absent.Message}");
            }

            Assert.Ignore(absent.Message);
            throw;
        }
    }

    /// <summary>Opens an engine of a precision.</summary>
    public static FfnEngine Open(BackendKind backend, int threads, FfnPrecision precision) =>
        Open(OptionsOf(backend, threads) with { Precision = precision });

    /// <summary>Whether this run was promised a backend, so that its absence is a failure.</summary>
    public static bool IsRequired(BackendKind backend)
    {
        string required = Environment.GetEnvironmentVariable(RequiredVariable) ?? string.Empty;
        return required.Split(',', StringSplitOptions.TrimEntries).Contains(Names<BackendKind>.Of(backend), StringComparer.OrdinalIgnoreCase);
    }

    private static bool Opens(FfnEngineOptions options)
    {
        try
        {
            FfnEngine.Create(options).Dispose();
            return true;
        }
        catch (BackendUnavailableException)
        {
            return false;
        }
    }

    private static TestFixtureData Fixture(BackendKind backend, params object[] arguments)
    {
        var fixture = new TestFixtureData(arguments);
        fixture.Properties.Add(PropertyNames.Category, backend == BackendKind.CuBlas && !HasGpu ? nameof(SoftwareDevice) : backend.ToString());
        return fixture;
    }
}
