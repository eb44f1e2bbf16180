using NativeFfn.Comparison.Measuring;
using NativeFfn.Comparison.Subjects;
using Spectre.Console;

namespace NativeFfn.Comparison.Reporting;

/// <summary>A layer's results as Markdown tables: all times, then each of our subjects against peers and roofline, then who took part, then a server's view.</summary>
internal static class ResultText
{
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
        writer.WriteLine(Markdown.Of(Times(result)));
        foreach (SubjectDescription subject in result.Subjects.Where(static subject => subject.IsOurs))
        {
            writer.WriteLine();
            writer.WriteLine($"{subject.Name} ({subject.Precision.Name}), its median divided by that of others; below 1 is faster:");
            writer.WriteLine();
            writer.WriteLine(Markdown.Of(Ratios(result, subject)));
        }

        writer.WriteLine();
        writer.WriteLine(Markdown.Of(Participants(result)));
        if (result.Server is { } server)
        {
            ServerText.Write(writer, server, result.Threads);
        }
    }

    private static Table Times(ShapeResult result)
    {
        SubjectDescription[] subjects = [.. result.Subjects];
        Table table = Markdown.Table(["tokens", "roofline f32", .. subjects.Select(static subject => subject.Name)]);
        foreach (IGrouping<int, ResultRow> count in result.Rows.GroupBy(static row => row.Tokens))
        {
            // Peers are f32, and so is one of ours at least, unless only other precisions were asked for.
            ResultRow? full = count.FirstOrDefault(static row => row.Time.Subject.Precision == Precision.F32);
            table.AddRow(
                [$"{count.Key}", Number(full?.RooflineMs), .. count.Select(static row => Median(row.Time))]);
        }

        return table;
    }

    private static Table Ratios(ShapeResult result, SubjectDescription subject)
    {
        Table table = Markdown.Table(
            "tokens", "median ms", "min ms", "runs", "roofline ms", "/ roofline", "/ best peer", "best peer", "/ onnx", "/ our f32", "relative L2");
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
                Ratio(row.OverOurF32),
                $"{row.Time.RelativeError:0.0e+0}");
        }

        return table;
    }

    private static Table Participants(ShapeResult result)
    {
        Table table = Markdown.Table("subject", "precision", "weights MB", "weight error", "worst relative L2", "version");
        foreach (SubjectDescription subject in result.Subjects)
        {
            table.AddRow(
                subject.Name,
                subject.Precision.Name,
                $"{subject.WeightBytes / 1e6:0.0}",
                subject.QuantizationError == 0 ? "0" : $"{subject.QuantizationError:0.0e+0}",
                $"{result.Of(subject).Max(static row => row.Time.RelativeError):0.0e+0}",
                Markup.Escape(subject.Version));
        }

        return table;
    }

    private static string Median(Measured time) => (time.Disturbed ? "~" : string.Empty) + Number(time.MedianMs);

    private static string Number(double? milliseconds) => milliseconds is { } value ? value < 10 ? $"{value:0.00}" : $"{value:0.0}" : "-";

    private static string Ratio(double? ratio) => ratio is { } value ? $"{value:0.00}" : "-";
}
