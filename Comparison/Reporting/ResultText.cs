using NativeFfn.Comparison.Measuring;
using NativeFfn.Comparison.Subjects;
using Spectre.Console;

namespace NativeFfn.Comparison.Reporting;

/// <summary>A layer's results as Markdown tables: all times, then each of our subjects against peers and roofline, then who took part.</summary>
internal static class ResultText
{
    // Wider than any table here: a narrow terminal breaks its lines itself.
    private const int TableWidth = 10_000;

    public static void Write(TextWriter writer, ShapeResult result)
    {
        string read = string.Join(", ", result.BytesPerSecond.Select(static rate => $"{rate.BytesPerSecond / 1e9:0.0} GB/s {rate.Precision}"));
        writer.WriteLine();
        writer.WriteLine($"SwiGLU {result.Shape} with residual, {result.Threads} threads. Read at best {read}; multiply-add {result.FlopsPerSecond / 1e9:0} GFLOP/s.");
        if (result.OtherLoad is { } others)
        {
            writer.WriteLine(
                $"Other processes had {others:0%} of the processors meanwhile; turns that they disturbed are left out, and ~ marks medians of subjects that had too few others.");
        }

        writer.WriteLine("Median milliseconds of one forward:");
        writer.WriteLine();
        writer.WriteLine(Markdown(Times(result)));
        foreach (SubjectDescription subject in result.Subjects.Where(static subject => subject.IsOurs))
        {
            writer.WriteLine();
            writer.WriteLine($"{subject.Name} ({subject.Precision.Name}), its median divided by that of others; below 1 is faster:");
            writer.WriteLine();
            writer.WriteLine(Markdown(Ratios(result, subject)));
        }

        writer.WriteLine();
        writer.WriteLine(Markdown(Participants(result)));
    }

    // Without the blank lines that the border comes with.
    private static string Markdown(Table table)
    {
        using var text = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(text),
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
        });
        console.Profile.Width = TableWidth;
        console.Write(table);
        return text.ToString().Trim();
    }

    private static Table Times(ShapeResult result)
    {
        SubjectDescription[] subjects = [.. result.Subjects];
        Table table = Table(["tokens", "roofline f32", .. subjects.Select(static subject => subject.Name)]);
        double fullBytes = sizeof(float) * (double)result.Spec.ParameterCount;
        foreach (IGrouping<int, ResultRow> count in result.Rows.GroupBy(static row => row.Tokens))
        {
            // Peers are f32, and so is one of ours at least, unless only other precisions were asked for.
            ResultRow? full = count.FirstOrDefault(row => row.Time.Subject.WeightBytes >= fullBytes);
            table.AddRow(
                [$"{count.Key}", Number(full?.RooflineMs), .. count.Select(static row => Median(row.Time))]);
        }

        return table;
    }

    private static Table Ratios(ShapeResult result, SubjectDescription subject)
    {
        Table table = Table(["tokens", "median ms", "min ms", "runs", "roofline ms", "/ roofline", "/ best peer", "best peer", "/ onnx", "relative L2"]);
        foreach (ResultRow row in result.Of(subject))
        {
            table.AddRow(
                $"{row.Tokens}",
                Median(row.Time),
                Number(row.Time.MinMs),
                $"{row.Time.Runs}",
                Number(row.RooflineMs),
                Ratio(row.OverRoofline),
                Ratio(row.OverBestPeer),
                row.BestPeer?.Subject.Name ?? "-",
                Ratio(row.OverOnnx),
                $"{row.Time.RelativeError:0.0e+0}");
        }

        return table;
    }

    private static Table Participants(ShapeResult result)
    {
        Table table = Table(["subject", "precision", "weights MB", "worst relative L2", "version"]);
        foreach (SubjectDescription subject in result.Subjects)
        {
            table.AddRow(
                subject.Name,
                subject.Precision.Name,
                $"{subject.WeightBytes / 1e6:0.0}",
                $"{result.Of(subject).Max(static row => row.Time.RelativeError):0.0e+0}",
                Markup.Escape(subject.Version));
        }

        return table;
    }

    private static Table Table(IEnumerable<string> headers)
    {
        Table table = new Table().MarkdownBorder();
        foreach (string header in headers)
        {
            TableColumn column = new TableColumn(header).NoWrap();
            table.AddColumn(header is "subject" or "version" ? column : column.RightAligned());
        }

        return table;
    }

    private static string Median(Measured time) => (time.Disturbed ? "~" : string.Empty) + Number(time.MedianMs);

    private static string Number(double? milliseconds) => milliseconds is { } value ? value < 10 ? $"{value:0.00}" : $"{value:0.0}" : "-";

    private static string Ratio(double? ratio) => ratio is { } value ? $"{value:0.00}" : "-";
}
