using System.Collections.Immutable;
using Spectre.Console;

namespace NativeFfn.Cli.Benchmarking;

/// <summary><c>bench</c> as a table.</summary>
internal static class BenchText
{
    public static void Write(Terminal terminal, FfnSpec spec, ImmutableArray<BenchRow> rows)
    {
        terminal.Out.WriteLine($"{spec}, whole layer with residual; backends and precisions take turns, run by run, and so do copies of the weights");
        Table table = Terminal.Table(
            "tokens", "backend", "precision", "weights MB", "copies", "weight error", "threads", "median ms", "min ms", "GFLOP/s", "GB/s", "in GEMM", "bytes/call",
            "runs");
        foreach (TableColumn column in table.Columns)
        {
            column.RightAligned();
        }

        foreach (BenchRow row in rows)
        {
            table.AddRow(
                $"{row.Tokens}",
                row.Backend,
                row.Precision,
                $"{row.WeightBytes / 1e6:0.0}",
                $"{new WeightRotation(row.WeightCopies, row.IsPastCache)}",
                row.QuantizationError == 0 ? "0" : $"{row.QuantizationError:0.0e+00}",
                $"{row.Threads}",
                $"{row.MedianMs:0.000}",
                $"{row.MinMs:0.000}",
                $"{row.Gflops:0.0}",
                $"{row.GbPerSec:0.0}",
                $"{row.GemmShare:0.0%}",
                $"{row.AllocatedBytesPerCall}",
                $"{row.Runs}");
        }

        terminal.OutConsole.Write(table);
    }
}
