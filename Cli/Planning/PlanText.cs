using System.Globalization;
using Spectre.Console;

namespace NativeFfn.Cli.Planning;

/// <summary>Writes plans as a table.</summary>
internal static class PlanText
{
    public static void Write(Terminal terminal, PlanReport report)
    {
        PlanCeilings ceilings = report.Ceilings;
        terminal.Out.WriteLine($"{report.Layer}, {report.Precision}");
        terminal.Out.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"a rank, {ceilings.Source}: {ceilings.GbPerSec:0.#} GB/s of weights, {ceilings.Gflops:0.#} GFLOP/s, link {ceilings.LinkGbPerSec:0.##} GB/s and {ceilings.LinkMicroseconds:0.#} us"));
        Table table = Terminal.Table("ranks", "plan", "a rank", "tokens", "ms", "us a token", "collectives", "sent a rank", "bound by", string.Empty);
        foreach (PlanRow row in report.Rows)
        {
            table.AddRow(
                new Text($"{row.Ranks}"),
                new Text(row.Plan),
                new Text(ByteSize.Of(row.RankBytes)),
                new Text($"{row.Tokens}"),
                new Text(Number(row.Ms)),
                new Text(Number(row.MicrosecondsPerToken)),
                new Text(string.Create(CultureInfo.InvariantCulture, $"{100 * row.CollectiveMs / row.Ms:0} %")),
                new Text(ByteSize.Of((long)row.RankTrafficBytes)),
                new Text(row.Bottleneck),
                new Text(!row.Fits ? "does not fit" : row.IsBest ? "best" : string.Empty));
        }

        terminal.OutConsole.Write(table);
        foreach (PlanRefusal refused in report.Refused)
        {
            terminal.Out.WriteLine($"{refused.Plan} cannot be: {refused.Reason}");
        }

        terminal.Out.WriteLine(report.Note);
    }

    private static string Number(double value) => value.ToString(value < 1 ? "0.0000" : value < 100 ? "0.00" : "0", CultureInfo.InvariantCulture);
}
