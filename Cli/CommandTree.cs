using System.CommandLine;
using System.CommandLine.Invocation;
using NativeFfn.Cli.Commands;

namespace NativeFfn.Cli;

/// <summary>The root command, and how an argument list becomes a run of one of its commands.</summary>
internal static class CommandTree
{
    /// <summary>What the user types, whatever the executable's file is called.</summary>
    public const string Name = "nativeffn";

    // A path may start with '@', which would otherwise name a file of further arguments.
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    public static int Run(string[] args, Session session)
    {
        ParseResult parsed = Create(session).Parse(args, Parsing);
        if (parsed.Action is ParseErrorAction)
        {
            // A mistyped command is reported as such, not as a missing one.
            string message = parsed.CommandResult.Command is RootCommand root && parsed.UnmatchedTokens is [var unknown, ..]
                ? $"There is no command '{unknown}'; there are {string.Join(", ", root.Subcommands.Select(static command => command.Name))}"
                : parsed.Errors[0].Message;
            throw new UsageException(message, parsed.CommandResult.Command);
        }

        return parsed.Invoke(new InvocationConfiguration
        {
            Output = session.Terminal.Out,
            Error = session.Terminal.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
        });
    }

    private static RootCommand Create(Session session)
    {
        var root = new RootCommand("Transformer feed-forward layers on Intel MKL, and on .NET's own vectors where MKL is not found.")
        {
            InfoCommand.Create(session),
            ForwardCommand.Create(session),
            LayersCommand.Create(session),
            VerifyCommand.Create(session),
            BenchCommand.Create(session),
            InitCommand.Create(session),
            ConvertCommand.Create(session),
            FamiliesCommand.Create(session),
        };
        root.HelpName = Name;
        root.Directives.Clear();
        return root;
    }
}
