using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Invocation;
using NativeFfn.Cli.Commands;
using NativeFfn.Cli.Planning;

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
        ParseResult parsed = Create(session, args).Parse(args, Parsing);
        if (parsed.Action is ParseErrorAction)
        {
            // A mistyped command is reported as such, not as a missing one.
            string message = parsed.CommandResult.Command is RootCommand root && parsed.UnmatchedTokens is [var unknown, ..]
                ? $"There is no command '{unknown}'; there are {string.Join(", ", root.Subcommands.Select(static command => command.Name))}"
                : parsed.Errors[0].Message;
            string alike = parsed.UnmatchedTokens is [var word, ..] ? Alike(word, parsed.CommandResult.Command) : string.Empty;
            throw new UsageException(message + alike, parsed.CommandResult.Command);
        }

        return parsed.Invoke(new InvocationConfiguration
        {
            Output = session.Terminal.Out,
            Error = session.Terminal.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
        });
    }

    /// <summary>What may have been meant by a word that nothing is called, as a sentence; empty where nothing is like it.</summary>
    public static string Alike(string unknown, Command command)
    {
        string[] alike = Spelling.Alike(unknown, command.Subcommands.Cast<Symbol>().Concat(command.Options).Select(static symbol => symbol.Name));
        return alike.Length == 0 ? string.Empty : $". Did you mean {string.Join(" or ", alike)}?";
    }

    private static RootCommand Create(Session session, string[] args)
    {
        var root = new RootCommand("Transformer feed-forward layers on Intel MKL, and on .NET's own vectors where MKL is not found.")
        {
            InfoCommand.Create(session),
            ForwardCommand.Create(session),
            LayersCommand.Create(session),
            VerifyCommand.Create(session),
            BenchCommand.Create(session),
            PlanCommand.Create(session),
            InitCommand.Create(session),
            ConvertCommand.Create(session),
            FamiliesCommand.Create(session),
#if SERVE
            ServeCommand.Create(session, args),
#endif
            CompletionCommand.Create(session),
        };
        root.HelpName = Name;

        // Of the directives only the one that shells complete words by.
        root.Directives.Clear();
        root.Directives.Add(new SuggestDirective());
        return root;
    }
}
