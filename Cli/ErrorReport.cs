using System.Text;

namespace NativeFfn.Cli;

/// <summary>Turns whatever went wrong into one line and an exit code.</summary>
internal static class ErrorReport
{
    /// <summary>Set to 1, it adds the whole exception after the line.</summary>
    public const string DebugVariable = "NATIVEFFN_DEBUG";

    /// <summary>What every error line starts with.</summary>
    public const string Prefix = CommandTree.Name + ": error: ";

    /// <summary>Writes the error and gives the exit code it stands for.</summary>
    public static int Write(TextWriter stderr, Exception error)
    {
        (int code, string message) = Describe(error);
        stderr.WriteLine(Prefix + OneLine(message));
        if (Environment.GetEnvironmentVariable(DebugVariable) == "1")
        {
            stderr.WriteLine(error);
        }

        return code;
    }

    /// <summary>Joins the lines of a longer reason, such as a list of the paths that were tried.</summary>
    public static string OneLine(string message)
    {
        var line = new StringBuilder(message.Length);
        foreach (string part in message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (line.Length > 0)
            {
                line.Append(line[^1] is ':' or ';' or ',' or '.' ? " " : "; ");
            }

            line.Append(part);
        }

        return line.ToString();
    }

    private static (int Code, string Message) Describe(Exception error) => error switch
    {
        OperationCanceledException => (ExitCode.Interrupted, "Interrupted; nothing was left half-written."),
        ArgumentException argument => (ExitCode.BadInput, WithoutParameter(argument)),

        // CheckpointException is an IOException, BackendUnavailableException is not.
        IOException or UnauthorizedAccessException or NotSupportedException or BackendUnavailableException => (ExitCode.BadInput, error.Message),
        CollectiveFailedException => (ExitCode.Failed, error.Message),
        OutOfMemoryException or InsufficientMemoryException => (ExitCode.BadInput, "Not enough memory: " + error.Message),
        _ => (ExitCode.Failed, $"Unexpected {error.GetType().Name}: {error.Message} Set {DebugVariable}=1 for the details."),
    };

    // The name of a C# parameter means nothing to whoever typed the command.
    private static string WithoutParameter(ArgumentException error)
    {
        int end = error.ParamName is null ? -1 : error.Message.IndexOf($" (Parameter '{error.ParamName}')", StringComparison.Ordinal);
        return end < 0 ? error.Message : error.Message[..end];
    }
}
