using System.CommandLine;

namespace NativeFfn.Cli;

/// <summary>The command line does not say what to do. The message names the option and where to read more.</summary>
internal sealed class UsageException : ArgumentException
{
    /// <summary>Describes a problem that the parser found.</summary>
    public UsageException(string message, Command command)
        : base($"{message.TrimEnd('.')}; see '{HelpFor(command)}'.")
    {
    }

    /// <summary>Describes a problem that the options have with each other, or that something has with them.</summary>
    public UsageException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    private static string HelpFor(Command command) =>
        command is RootCommand ? $"{CommandTree.Name} --help" : $"{CommandTree.Name} {command.Name} --help";
}
