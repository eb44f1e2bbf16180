using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Xml;

namespace NativeFfn.Cli.Planning;

/// <summary>Draws plans as an SVG picture: a bar for each plan, for each token count apart, of what is computed and what ranks do together.</summary>
internal static class PlanPicture
{
    private const int Width = 760;
    private const int Left = 230;
    private const int Right = 90;
    private const int Row = 22;
    private const int Head = 64;
    private const int Title = 34;
    private const string Ink = "#1f2937";
    private const string Compute = "#2563eb";
    private const string Collectives = "#f59e0b";

    public static string Draw(PlanReport report)
    {
        IGrouping<int, PlanRow>[] counts = [.. report.Rows.GroupBy(static row => row.Tokens)];
        int height = Head + counts.Sum(static rows => Title + (rows.Count() * Row)) + Row;
        var text = new StringBuilder();
        using (var svg = XmlWriter.Create(text, new XmlWriterSettings { Indent = true, OmitXmlDeclaration = true }))
        {
            svg.WriteStartElement("svg", "http://www.w3.org/2000/svg");
            Attributes(svg, ("viewBox", $"0 0 {Width} {height}"), ("font-family", "system-ui, sans-serif"), ("font-size", "12"), ("role", "img"));
            Element(svg, "title", $"Predicted time of a forward: {report.Layer}");
            Box(svg, 0, 0, Width, height, "#ffffff");
            Label(svg, 12, 24, $"{report.Layer}, {report.Precision}", bold: true);
            Box(svg, 12, 38, 12, 12, Compute);
            Label(svg, 30, 48, "weights and arithmetic of the busiest rank");
            Box(svg, 290, 38, 12, 12, Collectives);
            Label(svg, 308, 48, "collectives");
            int y = Head;
            foreach (IGrouping<int, PlanRow> rows in counts)
            {
                y = DrawCount(svg, [.. rows], y);
            }

            svg.WriteEndElement();
        }

        return text.ToString();
    }

    private static int DrawCount(XmlWriter svg, ImmutableArray<PlanRow> rows, int y)
    {
        double longest = rows.Max(static row => row.Ms);
        Label(svg, 12, y + 22, rows[0].Tokens == 1 ? "1 token" : $"{rows[0].Tokens} tokens", bold: true);
        y += Title;
        foreach (PlanRow row in rows)
        {
            double compute = Length(row.ComputeMs);
            Label(svg, 12, y + 14, $"{row.Ranks} {(row.Ranks == 1 ? "rank" : "ranks")}: {row.Plan}{(row.IsBest ? " (best)" : string.Empty)}", row.IsBest);
            Box(svg, Left, y + 3, compute, Row - 8, Compute);
            Box(svg, Left + compute, y + 3, Length(row.CollectiveMs), Row - 8, Collectives);
            Label(svg, Left + Length(row.Ms) + 6, y + 14, string.Create(CultureInfo.InvariantCulture, $"{row.Ms:0.###} ms"));
            y += Row;
        }

        return y;

        double Length(double milliseconds) => milliseconds / longest * (Width - Left - Right);
    }

    private static void Label(XmlWriter svg, double x, double y, string text, bool bold = false)
    {
        svg.WriteStartElement("text");
        Attributes(svg, ("x", Number(x)), ("y", Number(y)), ("fill", Ink), ("font-weight", bold ? "600" : "400"));
        svg.WriteString(text);
        svg.WriteEndElement();
    }

    private static void Box(XmlWriter svg, double x, double y, double width, double height, string fill)
    {
        svg.WriteStartElement("rect");
        Attributes(svg, ("x", Number(x)), ("y", Number(y)), ("width", Number(width)), ("height", Number(height)), ("fill", fill));
        svg.WriteEndElement();
    }

    private static void Element(XmlWriter svg, string name, string text)
    {
        svg.WriteStartElement(name);
        svg.WriteString(text);
        svg.WriteEndElement();
    }

    private static void Attributes(XmlWriter svg, params ReadOnlySpan<(string Name, string Value)> attributes)
    {
        foreach ((string name, string value) in attributes)
        {
            svg.WriteAttributeString(name, value);
        }
    }

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
