namespace NativeFfn.Cli;

/// <summary>The command's exit codes.</summary>
internal static class ExitCode
{
    /// <summary>Done.</summary>
    public const int Done = 0;

    /// <summary>Computed but wrong, or failed for a reason that is not the user's.</summary>
    public const int Failed = 1;

    /// <summary>Bad usage or bad input.</summary>
    public const int BadInput = 2;

    /// <summary>Stopped by Ctrl+C: 128 and the number of SIGINT, as shells count.</summary>
    public const int Interrupted = 130;
}
