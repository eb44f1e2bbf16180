using System.Collections.Immutable;
using System.Globalization;

namespace NativeFfn.Cli.Benchmarking;

/// <summary>A column of <c>bench</c>'s tables: the heading that people read, the name in CSV, and what stands there.</summary>
/// <param name="Heading">The heading.</param>
/// <param name="Name">The field's name, as in JSON.</param>
/// <param name="Text">The value for people.</param>
/// <param name="Value">The value in full.</param>
internal sealed record BenchColumn(string Heading, string Name, Func<BenchRow, string> Text, Func<BenchRow, string> Value)
{
    /// <summary>The columns in order.</summary>
    public static ImmutableArray<BenchColumn> All { get; } =
    [
        Whole("tokens", "tokens", static row => row.Tokens),
        Word("backend", "backend", static row => row.Backend),
        Word("precision", "precision", static row => row.Precision),
        new("weights MB", "weightBytes", static row => $"{row.WeightBytes / 1e6:0.0}", static row => $"{row.WeightBytes}"),
        new("copies", "weightCopies", static row => $"{new WeightRotation(row.WeightCopies, row.IsPastCache)}", static row => $"{row.WeightCopies}"),
        Number("weight error", "quantizationError", static row => row.QuantizationError, static error => error == 0 ? "0" : $"{error:0.0e+00}"),
        Whole("threads", "threads", static row => row.Threads),
        Milliseconds("median ms", "medianMs", static row => row.MedianMs),
        Milliseconds("min ms", "minMs", static row => row.MinMs),
        Milliseconds("p95 ms", "p95Ms", static row => row.P95Ms),
        Milliseconds("p99 ms", "p99Ms", static row => row.P99Ms),
        Number("GFLOP/s", "gflops", static row => row.Gflops, static rate => $"{rate:0.0}"),
        Number("GB/s", "gbPerSec", static row => row.GbPerSec, static rate => $"{rate:0.0}"),
        Number("in GEMM", "gemmShare", static row => row.GemmShare, static share => $"{share:0.0%}"),
        Whole("bytes/call", "allocatedBytesPerCall", static row => row.AllocatedBytesPerCall),
        Whole("runs", "runs", static row => row.Runs),
    ];

    private static BenchColumn Word(string heading, string name, Func<BenchRow, string> word) => new(heading, name, word, word);

    private static BenchColumn Whole(string heading, string name, Func<BenchRow, long> number) =>
        Word(heading, name, row => number(row).ToString(CultureInfo.InvariantCulture));

    private static BenchColumn Milliseconds(string heading, string name, Func<BenchRow, double> time) =>
        Number(heading, name, time, static milliseconds => $"{milliseconds:0.000}");

    private static BenchColumn Number(string heading, string name, Func<BenchRow, double> number, Func<double, string> text) =>
        new(heading, name, row => text(number(row)), row => number(row).ToString("R", CultureInfo.InvariantCulture));
}
