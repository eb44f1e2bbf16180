using Spectre.Console;

namespace NativeFfn.Cli;

/// <summary>Standard output and error, plain or with colour.</summary>
/// <remarks>Text that goes to a file, a pipe or a test is never coloured; no table is wrapped or cut to a width.</remarks>
internal sealed class Terminal
{
    // Wider than any table here: a narrow terminal breaks its lines itself, which reads better than broken or cut cells.
    private const int TableWidth = 10_000;

    // Back to the first column, and away with what is there.
    private const string EraseLine = "\r\e[K";

    /// <summary>Writers that are no terminals.</summary>
    public Terminal(TextWriter stdout, TextWriter stderr)
        : this(stdout, false, stderr, false)
    {
    }

    private Terminal(TextWriter stdout, bool outIsTerminal, TextWriter stderr, bool errorIsTerminal)
    {
        Out = stdout;
        Error = stderr;
        OutConsole = Console(stdout, outIsTerminal);
        OutConsole.Profile.Width = TableWidth;
        ErrorConsole = Console(stderr, errorIsTerminal);
        ErrorIsInteractive = errorIsTerminal && AllowsAnsi;
    }

    /// <summary>Standard output, for text that must arrive as it is.</summary>
    public TextWriter Out { get; }

    /// <summary>Standard error, for text that must arrive as it is.</summary>
    public TextWriter Error { get; }

    /// <summary>Standard output, for tables.</summary>
    public IAnsiConsole OutConsole { get; }

    /// <summary>Standard error, for progress.</summary>
    public IAnsiConsole ErrorConsole { get; }

    /// <summary>Whether somebody can watch progress on standard error.</summary>
    public bool ErrorIsInteractive { get; }

    // NO_COLOR: https://no-color.org
    private static bool AllowsAnsi =>
        string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")) && Environment.GetEnvironmentVariable("TERM") != "dumb";

    /// <summary>The process's own.</summary>
    public static Terminal OfProcess() =>
        new(System.Console.Out, !System.Console.IsOutputRedirected, System.Console.Error, !System.Console.IsErrorRedirected);

    /// <summary>Shows what goes on in one line that the next call replaces; nothing where nobody watches.</summary>
    public void Progress(string text)
    {
        if (ErrorIsInteractive)
        {
            Error.Write(EraseLine + text);
        }
    }

    /// <summary>A table in the one style of this command.</summary>
    public static Table Table(params ReadOnlySpan<string> headers)
    {
        Table table = new Table().Border(TableBorder.Simple);
        foreach (string header in headers)
        {
            table.AddColumn(new TableColumn(Markup.Escape(header)).NoWrap());
        }

        return table;
    }

    private static IAnsiConsole Console(TextWriter writer, bool isTerminal)
    {
        bool ansi = isTerminal && AllowsAnsi;
        return AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = ansi ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = ansi ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = ansi ? InteractionSupport.Yes : InteractionSupport.No,
        });
    }
}
