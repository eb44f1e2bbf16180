using System.Diagnostics;
using System.Globalization;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>A program on the ranks of an MPI job, each of which can be sent signals.</summary>
internal sealed class MpiJob : IDisposable
{
    /// <summary>The launchers that are tested, with what each needs beside the count of ranks.</summary>
    public static readonly object[][] Launchers = [["mpirun.openmpi", "--oversubscribe --bind-to none"], ["mpiexec.mpich", ""]];

    // Many times what a job takes here.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    private const string MarkVariable = "NATIVEFFN_TEST_JOB";
    private const string SummaryVariable = "NATIVEFFN_TEST_SUMMARY";
    private static readonly string[] RankVariables = ["OMPI_COMM_WORLD_RANK", "PMI_RANK"];

    private readonly string _mark = Guid.NewGuid().ToString();
    private readonly string _launcher;
    private readonly Process _process;

    /// <summary>Starts a job.</summary>
    /// <param name="launcher">The launcher.</param>
    /// <param name="options">Its options.</param>
    /// <param name="ranks">Ranks.</param>
    /// <param name="arguments">A program of .NET and its arguments.</param>
    public MpiJob(string launcher, string options, int ranks, params string[] arguments)
    {
        _launcher = launcher;
        var start = new ProcessStartInfo(launcher) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string word in (string[])[
            .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries), "-n", $"{ranks}", "dotnet", .. arguments])
        {
            start.ArgumentList.Add(word);
        }

        start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1";
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        start.Environment[MarkVariable] = _mark;
        start.Environment.Remove(SummaryVariable);
        _process = Process.Start(start)!;
        Output = _process.StandardOutput.ReadToEndAsync();
        Error = _process.StandardError.ReadToEndAsync();
    }

    /// <summary>All that ranks and launcher write to standard output.</summary>
    public Task<string> Output { get; }

    /// <summary>All that they write to standard error.</summary>
    public Task<string> Error { get; }

    /// <summary>The command, which a job's arguments begin with.</summary>
    public static string Command => Path.Combine(AppContext.BaseDirectory, "NativeFfn.Cli.dll");

    /// <summary>Whether this process is a rank of such a job.</summary>
    public static bool IsRank => Environment.GetEnvironmentVariable(MarkVariable) is not null;

    /// <summary>Skips tests of a launcher that is not installed, or fails them where it has to be.</summary>
    public static void Require(string launcher)
    {
        if (CommandPath.Has(launcher))
        {
            return;
        }

        string reason = $"{launcher} is not installed (Debian: openmpi-bin, mpich).";
        if (Environment.GetEnvironmentVariable("NATIVEFFN_REQUIRE_MPI") == "1")
        {
            Assert.Fail(reason);
        }

        Assert.Ignore(reason);
    }

    /// <summary>Ranks whose processes run, with their ids.</summary>
    public IReadOnlyDictionary<int, int> Ranks()
    {
        var ranks = new Dictionary<int, int>();
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out int id)
                && EnvironmentOf(folder) is { } environment && environment.Contains($"{MarkVariable}={_mark}")
                && environment.Select(RankOf).FirstOrDefault(static rank => rank is not null) is { } rank)
            {
                ranks[rank] = id;
            }
        }

        return ranks;
    }

    /// <summary>Waits until all ranks have met.</summary>
    public void WaitUntilJoined(int ranks)
    {
        long end = Environment.TickCount64 + (long)Limit.TotalMilliseconds;
        while (Ranks().Values.Count(HasJoined) < ranks)
        {
            Assert.That(Environment.TickCount64, Is.LessThan(end), "the ranks did not meet");
            Assert.That(_process.HasExited, Is.False, () => Error.GetAwaiter().GetResult());
            Thread.Sleep(50);
        }
    }

    /// <summary>Sends a rank a signal, where it still runs.</summary>
    public bool TrySend(int rank, string signal)
    {
        bool runs = Ranks().TryGetValue(rank, out int id);
        if (runs)
        {
            Signal(id, signal);
        }

        return runs;
    }

    /// <summary>Sends the launcher a signal.</summary>
    public void SendLauncher(string signal) => Signal(_process.Id, signal);

    /// <summary>Waits for the job's end, that of all its ranks, and gives its exit code.</summary>
    public int Wait()
    {
        if (!_process.WaitForExit(Limit))
        {
            Assert.Fail($"{_launcher} did not end within {Limit.TotalSeconds} s.");
        }

        // A launcher that kills its ranks does not wait for them.
        Assert.That(() => Ranks(), Is.Empty.After(10).Seconds.PollEvery(50).MilliSeconds, "ranks were left running");
        return _process.ExitCode;
    }

    /// <summary>Ends what still runs.</summary>
    public void Dispose()
    {
        foreach (int id in Ranks().Values)
        {
            Signal(id, "KILL");
        }

        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }

    private static int? RankOf(string variable) =>
        variable.Split('=') is [var name, var rank] && RankVariables.Contains(name)
            ? int.Parse(rank, CultureInfo.InvariantCulture)
            : null;

    private static string[]? EnvironmentOf(string folder)
    {
        try
        {
            return File.ReadAllText(Path.Combine(folder, "environ")).Split('\0');
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // The thread that tells ranks from each other's silence.
    private static bool HasJoined(int id)
    {
        try
        {
            return Directory.EnumerateDirectories($"/proc/{id}/task")
                .Any(static task => File.ReadAllText(Path.Combine(task, "comm")).StartsWith("NativeFfn ranks", StringComparison.Ordinal));
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static void Signal(int id, string signal)
    {
        using Process kill = Process.Start("kill", [$"-{signal}", $"{id}"]);
        kill.WaitForExit();
    }
}
