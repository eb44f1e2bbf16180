using NativeFfn.Bench.Comparing;
using ScottPlot;
using ScottPlot.Plottables;
using SkiaSharp;

namespace NativeFfn.Bench.Reporting;

/// <summary>Times over tokens on logarithmic axes, with the roofline of each precision below them, and beneath that their errors.</summary>
internal static class ComparisonPlot
{
    private const int WidthPixels = 1200;
    private const int TimesHeightPixels = 750;
    private const int ErrorsHeightPixels = 650;
    private const int PeerLineWidth = 2;
    private const int OurLineWidth = 3;
    private const int MarkerSize = 7;

    // Smaller numbers have an exponent.
    private const double LeastPlain = 1e-3;

    // Any font without serifs that is installed; else the library's own choice.
    private static readonly string[] FontFamilies = ["Open Sans", "DejaVu Sans", "Liberation Sans", "Noto Sans", "Arial"];

    // Ticks of the time axis: 1, 2 and 5 of every power of ten.
    private static readonly double[] TickDigits = [1, 2, 5];

    /// <summary>Draws the picture.</summary>
    /// <returns>A PNG file.</returns>
    public static byte[] Draw(Machine machine, ShapeReport result)
    {
        using Plot times = Times(result);
        times.Title($"{result.Title}, {result.Threads} threads\n{machine.Processor}, {machine.VectorBits}-bit vectors, {machine.Runtime}");
        using Plot errors = Errors(result);
        using var picture = new SKBitmap(WidthPixels, TimesHeightPixels + ErrorsHeightPixels);
        using var canvas = new SKCanvas(picture);
        Draw(canvas, times, 0, TimesHeightPixels);
        Draw(canvas, errors, TimesHeightPixels, ErrorsHeightPixels);
        using SKData file = picture.Encode(SKEncodedImageFormat.Png, quality: 100);
        return file.ToArray();
    }

    private static void Draw(SKCanvas canvas, Plot plot, int top, int height)
    {
        using SKBitmap image = SKBitmap.Decode(plot.GetImageBytes(WidthPixels, height, ImageFormat.Png));
        canvas.DrawBitmap(image, 0, top);
    }

    private static Plot Times(ShapeReport result)
    {
        Plot plot = Empty("median time of one forward, milliseconds");
        foreach (IGrouping<string, SubjectRow> precision in result.Subjects.GroupBy(static subject => subject.Precision))
        {
            Scatter line = Line(plot, result.Of(precision.First()), static row => row.RooflineMs, "roofline " + precision.Key);
            line.LinePattern = PatternOf(precision.Key);
            line.Color = Colors.Black;
            line.LineWidth = PeerLineWidth;
            line.MarkerSize = 0;
        }

        AddSubjects(plot, result, static row => row.MedianMs);
        double[] values = [.. result.Rows.SelectMany(static row => new[] { row.RooflineMs, row.MedianMs })];
        Finish(plot, result, Ticks(values, TickDigits));
        return plot;
    }

    private static Plot Errors(ShapeReport result)
    {
        Plot plot = Empty("relative L2 error");
        AddSubjects(plot, result, static row => row.RelativeL2);
        Finish(plot, result, Ticks([.. result.Rows.Select(static row => row.RelativeL2)], [1]));
        return plot;
    }

    private static Plot Empty(string label)
    {
        var plot = new Plot();
        plot.Add.Palette = new ScottPlot.Palettes.Category20();
        plot.YLabel(label);
        return plot;
    }

    private static void AddSubjects(Plot plot, ShapeReport result, Func<ComparisonRow, double> value)
    {
        for (int index = 0; index < result.Subjects.Length; index++)
        {
            SubjectRow subject = result.Subjects[index];
            Scatter line = Line(plot, result.Of(subject), value, (subject.Ours ? "NativeFfn " : string.Empty) + subject.Name);
            line.Color = plot.Add.Palette.GetColor(index);
            line.LineWidth = subject.Ours ? OurLineWidth : PeerLineWidth;
            line.MarkerShape = subject.Ours ? MarkerShape.FilledCircle : MarkerShape.OpenSquare;
            line.MarkerSize = MarkerSize;
        }
    }

    private static void Finish(Plot plot, ShapeReport result, IEnumerable<double> ticks)
    {
        if (FontFamilies.FirstOrDefault(family => SKFontManager.Default.FontFamilies.Contains(family)) is { } font)
        {
            plot.Font.Set(font);
        }

        plot.XLabel("tokens");
        plot.ShowLegend(Edge.Right);
        SetTicks(plot.Axes.Bottom, result.Rows.Select(static row => (double)row.Tokens).Distinct());
        SetTicks(plot.Axes.Left, ticks);
        plot.Axes.AutoScale();
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
            [.. marks.Select(Math.Log10)], [.. marks.Select(static value => value < LeastPlain ? $"{value:0e+0}" : $"{value:0.###}")]);
    }

    private static IEnumerable<double> Ticks(double[] values, double[] digits)
    {
        (double lowest, double highest) = (values.Min(), values.Max());
        for (int power = (int)Math.Floor(Math.Log10(lowest)); power <= Math.Log10(highest); power++)
        {
            foreach (double digit in digits)
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
