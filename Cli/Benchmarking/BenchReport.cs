using System.Collections.Immutable;
using System.Runtime.InteropServices;
using NativeFfn.Cli.Info;

namespace NativeFfn.Cli.Benchmarking;

/// <summary>The answer of <c>bench --json</c>.</summary>
/// <param name="Schema">The version of this form: it rises when a field changes its meaning or goes, and not when one is added.</param>
/// <param name="Environment">Where the times were taken.</param>
/// <param name="Rows">A row for each backend, precision and token count.</param>
internal sealed record BenchReport(int Schema, BenchEnvironment Environment, ImmutableArray<BenchRow> Rows)
{
    // 1 was an array of rows alone.
    private const int CurrentSchema = 2;

    /// <summary>Rows, taken here and now.</summary>
    public static BenchReport Of(ImmutableArray<BenchRow> rows) => new(CurrentSchema, BenchEnvironment.Here(), rows);
}

/// <summary>Where times were taken.</summary>
/// <param name="Version">NativeFfn's version, with + and the commit that it was built from.</param>
/// <param name="Taken">When.</param>
/// <param name="Processor">The processor's name.</param>
/// <param name="Processors">Processors that this process may use.</param>
/// <param name="LastLevelCacheBytes">Bytes of the largest cache.</param>
/// <param name="OperatingSystem">Name and version.</param>
/// <param name="Architecture">The process's architecture.</param>
/// <param name="Runtime">.NET's version.</param>
internal sealed record BenchEnvironment(
    string Version, DateTimeOffset Taken, string Processor, int Processors, long LastLevelCacheBytes, string OperatingSystem, string Architecture,
    string Runtime)
{
    /// <summary>This process.</summary>
    public static BenchEnvironment Here() => new(
        InfoReport.OwnVersion,
        DateTimeOffset.UtcNow,
        Backends.Processor.Name,
        System.Environment.ProcessorCount,
        LastLevelCache.Bytes,
        RuntimeInformation.OSDescription,
        RuntimeInformation.ProcessArchitecture.ToString(),
        RuntimeInformation.FrameworkDescription);
}
