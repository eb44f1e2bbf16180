using NativeFfn.Bench.Comparing;
using ScottPlot;
using ScottPlot.Plottables;
using SkiaSharp;

namespace NativeFfn.Bench.Reporting;

/// <summary>Times over tokens on logarithmic axes, with the roofline of each precision below them.</summary>
internal static class ComparisonPlot
{
    private const int WidthPixels = 1200;
    private const int HeightPixels = 750;
    private const int PeerLineWidth = 2;
    private const int OurLineWidth = 3;
    private const int MarkerSize = 7;

    // Any font without serifs that is installed; else the library's own choice.
    private static readonly string[] FontFamilies = ["Open Sans", "DejaVu Sans", "Liberation Sans", "Noto Sans", "Arial"];

    // Ticks of the time axis: 1, 2 and 5 of every power of ten.
    private static readonly double[] TickDigits = [1, 2, 5];

    /// <summary>Draws the picture.</summary>
    /// <returns>A PNG file.</returns>
    public static byte[] Draw(Machine machine, ShapeReport result)
    {
        using var plot = new Plot();
        plot.Add.Palette = new ScottPlot.Palettes.Category10();
        foreach (IGrouping<string, SubjectRow> precision in result.Subjects.GroupBy(static subject => subject.Precision))
        {
            Scatter line = Line(plot, result.Of(precision.First()), static row => row.RooflineMs, "roofline " + precision.Key);
            line.LinePattern = PatternOf(precision.Key);
            line.Color = Colors.Black;
            line.LineWidth = PeerLineWidth;
            line.MarkerSize = 0;
        }

        foreach (SubjectRow subject in result.Subjects)
        {
            Scatter line = Line(plot, result.Of(subject), static row => row.MedianMs, $"{(subject.Ours ? "NativeFfn " : string.Empty)}{subject.Name}");
            line.LineWidth = subject.Ours ? OurLineWidth : PeerLineWidth;
            line.MarkerShape = subject.Ours ? MarkerShape.FilledCircle : MarkerShape.OpenSquare;
            line.MarkerSize = MarkerSize;
        }

        if (FontFamilies.FirstOrDefault(family => SKFontManager.Default.FontFamilies.Contains(family)) is { } font)
        {
            plot.Font.Set(font);
        }

        plot.Title($"{result.Title}, {result.Threads} threads\n{machine.Processor}, {machine.VectorBits}-bit vectors, {machine.Runtime}");
        plot.XLabel("tokens");
        plot.YLabel("median time of one forward, milliseconds");
        plot.ShowLegend(Edge.Right);
        SetTicks(plot.Axes.Bottom, result.Rows.Select(static row => (double)row.Tokens).Distinct());
        SetTicks(plot.Axes.Left, TimeTicks(result));
        plot.Axes.AutoScale();
        return plot.GetImageBytes(WidthPixels, HeightPixels, ImageFormat.Png);
    }

    private static LinePattern PatternOf(string precision) => precision switch
    {
        "f32" => LinePattern.Dashed,
        "int8" => LinePattern.Dotted,
        _ => LinePattern.DenselyDashed,
    };

    // ScottPlot has linear axes only: what is drawn are logarithms, and the ticks say what they stand for.
    private static Scatter Line(Plot plot, IEnumerable<ComparisonRow> rows, Func<ComparisonRow, double> value, string name)
    {
        ComparisonRow[] points = [.. rows.OrderBy(static row => row.Tokens)];
        Scatter line = plot.Add.Scatter(
            points.Select(static row => Math.Log10(row.Tokens)).ToArray(), points.Select(row => Math.Log10(value(row))).ToArray());
        line.LegendText = name;
        return line;
    }

    private static void SetTicks(IAxis axis, IEnumerable<double> values)
    {
        double[] marks = [.. values];
        axis.TickGenerator = new ScottPlot.TickGenerators.NumericManual(
            marks.Select(Math.Log10).ToArray(), marks.Select(static value => $"{value:0.###}").ToArray());
    }

    private static IEnumerable<double> TimeTicks(ShapeReport result)
    {
        double lowest = result.Rows.Min(static row => Math.Min(row.RooflineMs, row.MedianMs));
        double highest = result.Rows.Max(static row => row.MedianMs);
        for (int power = (int)Math.Floor(Math.Log10(lowest)); power <= Math.Log10(highest); power++)
        {
            foreach (double digit in TickDigits)
            {
                double tick = digit * Math.Pow(10, power);
                if (tick >= lowest / 2 && tick <= highest * 2)
                {
                    yield return tick;
                }
            }
        }
    }
}
