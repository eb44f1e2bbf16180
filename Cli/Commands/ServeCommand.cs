using System.CommandLine;
using System.CommandLine.Parsing;
using NativeFfn.Cli.Options;
using NativeFfn.Server;
using NativeFfn.Server.Configuration;

namespace NativeFfn.Cli.Commands;

/// <summary><c>serve</c>: layers over HTTP and gRPC, until the process is told to end.</summary>
internal static class ServeCommand
{
    public const string Name = "serve";

    // Some two hundred assemblies, the models' files, and a few connections.
    private const int FilesNeeded = 256;

    /// <summary>The command.</summary>
    /// <param name="session">What every command is given.</param>
    /// <param name="args">
    /// The command line. Where it does not name this command, this has no options: they are made from the server's tables, whose assemblies
    /// every other command would load.
    /// </param>
    public static Command Create(Session session, string[] args)
    {
        var command = new Command(Name, "Serve layers over HTTP and gRPC, with a page that shows a layer from inside.");
        if (args.Any(static word => word.Contains(Name, StringComparison.Ordinal)))
        {
            AddWords(command, session);
        }

        return command;
    }

    private static void AddWords(Command command, Session session)
    {
        foreach (CommandLineWord word in CommandLine.Words)
        {
            command.Add(word.Engine is { } option
                ? EngineOptionGroup.Of(option.Name)
                : OptionFactory.Text(word.Name, word.Value, word.Description));
        }

        // A key of the configuration is a word as well, for as many models as there are.
        command.TreatUnmatchedTokensAsErrors = false;
        command.SetAction(parsed => Run(session, parsed));
    }

    private static int Run(Session session, ParseResult parsed)
    {
        string[] words = [.. from token in parsed.Tokens where token.Type is TokenType.Option or TokenType.Argument select token.Value];
        try
        {
            if (CommandLine.UnknownIn(words) is { } unknown)
            {
                Command command = parsed.CommandResult.Command;
                throw new UsageException($"There is no option '{unknown}'{CommandTree.Alike(unknown, command)}", command);
            }

            if (!OpenFiles.HaveRoom(FilesNeeded, CommandTree.Name))
            {
                return ExitCode.BadInput;
            }

            session.Interrupt.StopListening();
            return ServerProgram.RunAsync(words).GetAwaiter().GetResult();
        }
        catch (ConfigurationException refused)
        {
            throw new UsageException(refused.Message, refused);
        }
    }
}
