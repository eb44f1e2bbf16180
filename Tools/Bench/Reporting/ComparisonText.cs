using NativeFfn.Bench.Comparing;
using NativeFfn.Cli.Benchmarking;
using Spectre.Console;

namespace NativeFfn.Bench.Reporting;

/// <summary>
/// A layer's results as Markdown tables: all times, errors and ratios to the best peer, then each of our subjects against peers and
/// roofline, then who took part, then a server's view.
/// </summary>
internal static class ComparisonText
{
    public static void Write(TextWriter writer, ShapeReport result)
    {
        string read = string.Join(", ", result.Ceilings.Select(static row => $"{row.GbPerSec:0.0} GB/s {row.Precision}"));
        string multiply = string.Join(
            ", ", result.Ceilings.DistinctBy(static row => row.Instruction).Select(static row => $"{row.GopsPerSec:0} Gop/s {row.Instruction}"));
        writer.WriteLine();
        writer.WriteLine($"{result.Title}, {result.Threads} threads. Plain loops, medians: read {read}; {multiply}.");
        writer.WriteLine(result.Subjects.Any(static subject => subject.WeightCopies > 1)
            ? $"Copies of the weights take turns: a round is {RotationLimits.Caches} times the last cache of {result.CacheBytes >> 20} MiB where memory allows."
            : $"Each subject has one copy of the weights; the last cache has {result.CacheBytes >> 20} MiB.");
        if (result.OtherLoad is { } others)
        {
            writer.WriteLine(
                $"Other processes had {others:0%} of the processors meanwhile; turns that they disturbed are left out, and ~ marks medians of subjects that had too few others.");
        }

        writer.WriteLine(result.Processors.IsEmpty
            ? "Threads run where the system puts them."
            : $"Each subject has a thread on each of the processors {string.Join(", ", result.Processors)}.");
        writer.WriteLine("Median milliseconds of one forward:");
        Write(writer, Times(result));
        writer.WriteLine();
        writer.WriteLine("Relative L2 error against float64 of what the layer adds to its residual:");
        Write(writer, OverTokens(result, result.Subjects, static row => $"{row.RelativeL2:0.0e+0}"));
        if (result.Rows.Any(static row => row.OverBestPeer is not null))
        {
            writer.WriteLine();
            writer.WriteLine("Our median divided by that of the best peer whose weights have as many bits; below 1 is faster:");
            IEnumerable<SubjectRow> ours = result.Subjects.Where(static subject => subject.Ours);
            Write(writer, OverTokens(result, ours, static row => $"{Ratio(row.OverBestPeer)} {row.BestPeer}".Trim()));
        }

        foreach (SubjectRow subject in result.Subjects.Where(static subject => subject.Ours))
        {
            writer.WriteLine();
            writer.WriteLine($"{subject.Name} ({subject.Precision}), its median divided by that of others; below 1 is faster:");
            Write(writer, Ratios(result, subject));
        }

        Write(writer, Participants(result));
        if (result.Server is { } server)
        {
            Write(writer, server, result.Threads);
        }
    }

    private static void Write(TextWriter writer, ServerView server, int threads)
    {
        writer.WriteLine();
        writer.WriteLine(
            $"A server's view: {server.Callers} callers at a time with 1 thread each, beside one caller at a time with {threads}; tokens a second of all callers together, medians:");
        if (server.OtherLoad is { } others)
        {
            writer.WriteLine($"Other processes had {others:0%} of the processors meanwhile, of which more threads win back more.");
        }

        Table rates = Markdown.Table("tokens", "subject", $"{server.Callers} x 1 thread", $"1 x {threads} threads", "ratio");
        foreach (CallerRate rate in server.Rates)
        {
            rates.AddRow($"{rate.Tokens}", rate.Subject, $"{rate.ManyTokensPerSec:0}", $"{rate.OneTokensPerSec:0}", $"{rate.ManyOverOne:0.00}");
        }

        Write(writer, rates);
        writer.WriteLine();
        writer.WriteLine("Processor time of the process in one second without calls, right after a forward, and managed bytes of a steady forward:");
        Table rests = Markdown.Table("subject", "idle ms", "bytes/call");
        foreach (RestRow rest in server.Rests)
        {
            rests.AddRow(rest.Subject, $"{rest.IdleMs:0.0}", $"{rest.AllocatedBytesPerCall}");
        }

        Write(writer, rests);
    }

    private static void Write(TextWriter writer, Table table)
    {
        writer.WriteLine();
        writer.WriteLine(Markdown.Of(table));
    }

    // The rooflines of our precisions and of peers' first, then everyone.
    private static Table Times(ShapeReport result)
    {
        Table table = OverTokens(
            result, result.Subjects.DistinctBy(static subject => subject.Precision), static row => Number(row.RooflineMs), "roofline ");
        AddRows(table, result, result.Subjects, Median);
        return table;
    }

    // A row for each subject and a column for each token count.
    private static Table OverTokens(
        ShapeReport result, IEnumerable<SubjectRow> subjects, Func<ComparisonRow, string> cell, string? instead = null)
    {
        Table table = Markdown.Table(["subject", .. result.Rows.Select(static row => $"{row.Tokens}").Distinct()]);
        AddRows(table, result, subjects, cell, instead);
        return table;
    }

    private static void AddRows(
        Table table, ShapeReport result, IEnumerable<SubjectRow> subjects, Func<ComparisonRow, string> cell, string? instead = null)
    {
        foreach (SubjectRow subject in subjects)
        {
            table.AddRow([instead is null ? subject.Name : instead + subject.Precision, .. result.Of(subject).Select(cell)]);
        }
    }

    private static Table Ratios(ShapeReport result, SubjectRow subject)
    {
        Table table = Markdown.Table(
            "tokens", "median ms", "min ms", "runs", "roofline ms", "/ roofline", "/ best peer", "best peer", "/ onnx", "/ our f32", "relative L2");
        foreach (ComparisonRow row in result.Of(subject))
        {
            table.AddRow(
                $"{row.Tokens}",
                Median(row),
                Number(row.MinMs),
                $"{row.Runs}",
                Number(row.RooflineMs),
                Ratio(row.OverRoofline),
                Ratio(row.OverBestPeer),
                row.BestPeer ?? "-",
                Ratio(row.OverOnnx),
                Ratio(row.OverOurF32),
                $"{row.RelativeL2:0.0e+0}");
        }

        return table;
    }

    private static Table Participants(ShapeReport result)
    {
        Table table = Markdown.Table("subject", "precision", "weights MB", "copies", "weight error", "worst relative L2", "version");
        foreach (SubjectRow subject in result.Subjects)
        {
            table.AddRow(
                subject.Name,
                subject.Precision,
                $"{subject.WeightBytes / 1e6:0.0}",
                $"{new WeightRotation(subject.WeightCopies, subject.IsPastCache)}",
                subject.QuantizationError == 0 ? "0" : $"{subject.QuantizationError:0.0e+0}",
                $"{result.Of(subject).Max(static row => row.RelativeL2):0.0e+0}",
                Markup.Escape(subject.Version));
        }

        return table;
    }

    private static string Median(ComparisonRow row) => (row.Disturbed ? "~" : string.Empty) + Number(row.MedianMs);

    private static string Number(double? milliseconds) => milliseconds is { } value ? value < 10 ? $"{value:0.00}" : $"{value:0.0}" : "-";

    private static string Ratio(double? ratio) => ratio is { } value ? $"{value:0.00}" : "-";
}
