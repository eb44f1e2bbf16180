using NativeFfn.Cli;
using Spectre.Console;

namespace NativeFfn.Bench.Reporting;

/// <summary>Tables that read as text and as Markdown.</summary>
internal static class Markdown
{
    /// <summary>A table whose columns are numbers, but for those that name things.</summary>
    public static Table Table(params ReadOnlySpan<string> headers)
    {
        Table table = Terminal.Table(headers).MarkdownBorder();
        for (int column = 0; column < headers.Length; column++)
        {
            if (headers[column] is not ("subject" or "version"))
            {
                table.Columns[column].RightAligned();
            }
        }

        return table;
    }

    /// <summary>The table without the blank lines that the border comes with.</summary>
    public static string Of(Table table)
    {
        using var text = new StringWriter();
        new Terminal(text, TextWriter.Null).OutConsole.Write(table);
        return text.ToString().Trim();
    }
}
