using NativeFfn.Checkpoints;

namespace NativeFfn.Cli;

/// <summary>The <c>nativeffn</c> command.</summary>
internal static class Program
{
    // Assemblies, the checkpoint's files and MKL's: some forty, and a few shards.
    private const int FilesNeeded = 64;

    private static int Main(string[] args) => OpenFiles.HaveRoom(FilesNeeded, CommandTree.Name) ? RunHere(args) : ExitCode.BadInput;

    /// <summary>Runs the command on the process's own console.</summary>
    private static int RunHere(string[] args)
    {
        using var interrupt = Interrupt.OnSignals();
        Terminal terminal = Terminal.OfProcess();

        // MKL prints there when MKL_VERBOSE is set; the terminal has it open already.
        ReplacedFile.KeepStandardOutput();
        return Run(args, terminal, interrupt);
    }

    /// <summary>Runs the command on any writers, without colour, as a test or a pipe sees it.</summary>
    internal static int Run(string[] args, TextWriter stdout, TextWriter stderr)
    {
        using var interrupt = new Interrupt();
        return Run(args, new Terminal(stdout, stderr), interrupt);
    }

    private static int Run(string[] args, Terminal terminal, Interrupt interrupt)
    {
        try
        {
            return CommandTree.Run(args, new Session(terminal, interrupt));
        }
        catch (Exception error)
        {
            return JobRank.Report(terminal.Error, error, interrupt.Token);
        }
    }
}

/// <summary>What every command is given: where to write, and when to stop.</summary>
/// <param name="Terminal">Standard output and error.</param>
/// <param name="Interrupt">Ctrl+C.</param>
internal sealed record Session(Terminal Terminal, Interrupt Interrupt);
