namespace NativeFfn.Cli;

/// <summary>This process among those that an MPI launcher started, as the environment says.</summary>
internal static class JobRank
{
    // All ranks mostly fail of the same. The lowest that can says so, and its end ends the others; one that fails alone is heard after that.
    private const int MostPatient = 10;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    // The launcher wakes a rank that was stopped to end it, which may then find first that the others have gone.
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(500);

    /// <summary>The rank; 0 where no launcher started this process.</summary>
    public static int Current { get; } = FfnEngine.LaunchedRank;

    /// <summary>Whether another process has the rows and the answer.</summary>
    public static bool Follows(FfnEngineOptions options) => options.Parallel is not null && Current > 0;

    /// <summary>Writes an error where no lower rank has said the same, and gives the exit code it stands for.</summary>
    /// <param name="stderr">Standard error.</param>
    /// <param name="error">The error.</param>
    /// <param name="ended">Cancelled when the launcher ends this process, as another has failed.</param>
    public static int Report(TextWriter stderr, Exception error, CancellationToken ended)
    {
        TimeSpan patience = Current == 0 && error is CollectiveFailedException ? Moment : Patience * Math.Min(Current, MostPatient);
        if (patience > TimeSpan.Zero && ended.WaitHandle.WaitOne(patience))
        {
            return ExitCode.Interrupted;
        }

        // Every rank has the same arguments.
        return ErrorReport.Write(Current > 0 && error is UsageException ? TextWriter.Null : stderr, error);
    }
}
