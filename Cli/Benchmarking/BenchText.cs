using System.Collections.Immutable;
using System.Text;
using Spectre.Console;

namespace NativeFfn.Cli.Benchmarking;

/// <summary><c>bench</c> as a table: for a terminal, in Markdown, and as CSV.</summary>
internal static class BenchText
{
    /// <summary>Writes the table for people, and which GEMM multiplied.</summary>
    public static void Write(Terminal terminal, FfnSpec spec, ImmutableArray<BenchRow> rows)
    {
        terminal.Out.WriteLine($"{spec}, whole layer with residual; backends and precisions take turns, run by run, and so do copies of the weights");
        Table table = Terminal.Table([.. BenchColumn.All.Select(static column => column.Heading)]);
        foreach (TableColumn column in table.Columns)
        {
            column.RightAligned();
        }

        foreach (BenchRow row in rows)
        {
            table.AddRow([.. BenchColumn.All.Select(column => column.Text(row))]);
        }

        terminal.OutConsole.Write(table);
        foreach (string line in Gemms(rows))
        {
            terminal.Out.WriteLine(line);
        }
    }

    /// <summary>The same in Markdown, with where it was taken.</summary>
    public static string Markdown(FfnSpec spec, BenchReport report)
    {
        BenchEnvironment here = report.Environment;
        var text = new StringBuilder()
            .AppendLine($"{spec}, whole layer with residual, on {here.Processor} ({here.Processors} processors), {here.OperatingSystem}, {here.Runtime}, NativeFfn {here.Version}.")
            .AppendLine();
        AppendRow(BenchColumn.All.Select(static column => column.Heading));
        AppendRow(BenchColumn.All.Select(static _ => "--:"));
        foreach (BenchRow row in report.Rows)
        {
            AppendRow(BenchColumn.All.Select(column => column.Text(row)));
        }

        return text.AppendLine().AppendJoin(Environment.NewLine, Gemms(report.Rows).Select(static line => "- " + line)).ToString();

        void AppendRow(IEnumerable<string> cells) => text.Append("| ").AppendJoin(" | ", cells).AppendLine(" |");
    }

    /// <summary>The rows as CSV with a line of names, as RFC 4180 has it; no value has a comma or a quote.</summary>
    public static string Csv(ImmutableArray<BenchRow> rows) => string.Join(
        "\r\n",
        rows.Select(static row => string.Join(',', BenchColumn.All.Select(column => column.Value(row))))
            .Prepend(string.Join(',', BenchColumn.All.Select(static column => column.Name))));

    private static IEnumerable<string> Gemms(ImmutableArray<BenchRow> rows) =>
        rows.Select(static row => $"{row.Backend} {row.Precision} multiplies by {row.Gemms}").Distinct();
}
