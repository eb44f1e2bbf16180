using Spectre.Console;

namespace NativeFfn.Comparison.Reporting;

/// <summary>Tables that read as text and as Markdown.</summary>
internal static class Markdown
{
    // Wider than any table here: a narrow terminal breaks its lines itself.
    private const int TableWidth = 10_000;

    /// <summary>A table whose columns are numbers, but for those that name things.</summary>
    public static Table Table(params IEnumerable<string> headers)
    {
        Table table = new Table().MarkdownBorder();
        foreach (string header in headers)
        {
            TableColumn column = new TableColumn(header).NoWrap();
            table.AddColumn(header is "subject" or "version" ? column : column.RightAligned());
        }

        return table;
    }

    /// <summary>The table without the blank lines that the border comes with.</summary>
    public static string Of(Table table)
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
}
