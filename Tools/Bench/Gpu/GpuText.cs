using System.Collections.Immutable;
using System.Globalization;
using NativeFfn.Bench.Reporting;
using NativeFfn.Cli.Benchmarking;
using Spectre.Console;

namespace NativeFfn.Bench.Gpu;

/// <summary>Reports of one layer beside each other, as Markdown.</summary>
internal static class GpuText
{
    /// <summary>Writes the first report's own numbers, then its times by those of the others.</summary>
    /// <exception cref="ArgumentException">The reports are of other layers or devices.</exception>
    public static void Write(TextWriter writer, ImmutableArray<GpuReport> reports)
    {
        GpuReport first = reports[0];
        if (reports.Any(report => (report.DModel, report.DFf, report.Device) != (first.DModel, first.DFf, first.Device)))
        {
            throw new ArgumentException("The reports are not of one layer on one device.", nameof(reports));
        }

        writer.WriteLine($"SwiGLU {first.DModel}x{first.DFf} with residual on {first.Device}; medians of the device's own clock");
        foreach (GpuReport report in reports)
        {
            writer.WriteLine($"{report.Program}: {report.Version}{(report.Autotune ? ", autotuned" : string.Empty)}");
        }

        if (first.CopyBytesPerSecond is { } rate)
        {
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"A copy within the device's memory reads and writes {rate / 1e9:0} GB/s together."));
        }

        writer.WriteLine();
        writer.WriteLine(Markdown.Of(Numbers(first)));
        ImmutableArray<GpuRow> peers = [.. reports.Skip(1).SelectMany(static report => report.Rows)];
        if (peers.Length > 0)
        {
            writer.WriteLine();
            writer.WriteLine($"{first.Program} and others, ms, and its time divided by theirs; below 1 is faster:");
            writer.WriteLine();
            writer.WriteLine(Markdown.Of(SideBySide(first, peers)));
        }
    }

    private static Table Numbers(GpuReport report)
    {
        Table table = Markdown.Table(
            "precision", "tokens", "device ms", "min ms", "runs", "as a graph", "host to host", "plain products", "at copy rate", "compute floor",
            "of copy rate", "of plain rate", "copies", "relative L2");
        foreach (GpuRow row in report.Rows)
        {
            table.AddRow(
                row.Precision,
                $"{row.Tokens}",
                Milliseconds(row.DeviceMs),
                Milliseconds(row.DeviceMinMs),
                $"{row.Runs}",
                Milliseconds(row.CapturedMs),
                Milliseconds(row.HostMs),
                Milliseconds(row.PlainProductsMs),
                Milliseconds(row.CopyRateMs),
                Milliseconds(row.ComputeFloorMs),
                Share(row.CopyShare),
                Share(row.PlainShare),
                $"{new WeightRotation(row.WeightCopies, row.IsPastCache)}",
                row.RelativeL2 is { } error ? $"{error:0.0e+0}" : "-");
        }

        return table;
    }

    private static Table SideBySide(GpuReport ours, ImmutableArray<GpuRow> peers)
    {
        string[] subjects = [.. peers.Select(static row => row.Subject).Distinct()];
        Table table = Markdown.Table(
        [
            "precision", "tokens", ours.Program, "as a graph", .. subjects, .. subjects.Select(static name => $"/ {name}"),
            .. subjects.Select(static name => $"graph / {name}"),
        ]);
        foreach (GpuRow row in ours.Rows)
        {
            GpuRow?[] others =
                [.. subjects.Select(name => peers.FirstOrDefault(peer => (peer.Subject, peer.Precision, peer.Tokens) == (name, row.Precision, row.Tokens)))];
            table.AddRow(
            [
                row.Precision,
                $"{row.Tokens}",
                Milliseconds(row.DeviceMs),
                Milliseconds(row.CapturedMs),
                .. others.Select(static peer => Milliseconds(peer?.DeviceMs)),
                .. others.Select(peer => Ratio(row.DeviceMs / peer?.DeviceMs)),
                .. others.Select(peer => Ratio(row.CapturedMs / peer?.DeviceMs)),
            ]);
        }

        return table;
    }

    private static string Milliseconds(double? value) => value is { } time ? string.Create(CultureInfo.InvariantCulture, $"{time:0.0000}") : "-";

    private static string Share(double? value) => value is { } part ? string.Create(CultureInfo.InvariantCulture, $"{part:0.0%}") : "-";

    private static string Ratio(double? value) => value is { } ratio ? string.Create(CultureInfo.InvariantCulture, $"{ratio:0.00}") : "-";
}
