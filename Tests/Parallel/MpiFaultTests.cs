using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>
/// Ranks that are killed, stopped and slowed down while they work: the job ends with one message and no answer, or answers right.
/// </summary>
[TestFixtureSource(typeof(MpiJob), nameof(MpiJob.Launchers))]
public sealed class MpiFaultTests(string launcher, string options)
{
    private const string OwnError = "nativeffn: error: ";

    // Longer than the jobs last.
    private static readonly string[] Work =
    [
        "bench", "--shape", "256x1024", "--tokens", "64", "--seconds", "100", "--backend", "managed", "--precision", "f32",
        "--threads", "1", "--parallel", "auto", "--parallel-seconds", "3", "--json", "-",
    ];

    [OneTimeSetUp]
    public void RequireLauncher() => MpiJob.Require(launcher);

    [Test]
    public void A_stopped_rank_ends_the_job_with_one_message([Values(2, 3)] int ranks, [Values(0, 1)] int stopped) =>
        AssertStopEnds(ranks, stopped);

    [Test]
    public void A_stopped_rank_ends_the_job_while_operations_are_under_way([Values(0, 1)] int stopped) =>
        AssertStopEnds(2, stopped, "--parallel-chunks", "4");

    [Test]
    public void A_killed_rank_ends_the_job_without_an_answer([Values(2, 3)] int ranks, [Values(0, 1)] int killed)
    {
        (int code, string output, string error) = Disturb(ranks, job => Assert.That(job.TrySend(killed, "KILL")));
        Assert.That(code, Is.Not.Zero);
        Assert.That(output, Does.Not.Contain("\"tokens\""));

        // The launcher has one of its own to say.
        Assert.That(error.Split(OwnError), Has.Length.LessThanOrEqualTo(2), error);
    }

    [Test]
    public void A_slow_rank_is_waited_for([Values(0, 1)] int slow)
    {
        using var job = new MpiJob(
            launcher, options, 2, MpiJob.Command, "verify", "--model", GoldenCases.Find("mixtral").Directory, "--parallel", "auto",
            "--threads", "1", "--parallel-seconds", "20", "--json");
        job.WaitUntilJoined(2);
        Task<int> end = Task.Run(job.Wait);
        while (!end.IsCompleted && job.TrySend(slow, "STOP"))
        {
            // Two thirds of the time it does not run.
            Thread.Sleep(200);
            job.TrySend(slow, "CONT");
            Thread.Sleep(100);
        }

        Assert.That(end.GetAwaiter().GetResult(), Is.Zero, () => job.Error.GetAwaiter().GetResult());
        Assert.That(job.Output.GetAwaiter().GetResult(), Does.Contain("\"passed\": true"));
    }

    private void AssertStopEnds(int ranks, int stopped, params string[] more)
    {
        (int code, string output, string error) = Disturb(ranks, job => Assert.That(job.TrySend(stopped, "STOP")), more);
        Assert.That(code, Is.Not.Zero);
        Assert.That(output, Does.Not.Contain("\"tokens\""));

        Assert.That(error.Split(OwnError), Has.Length.EqualTo(2), error);

        // The others know which one it is, or find at the same moment that somebody did not come.
        Assert.That(
            error, Does.Contain($"Rank {stopped} was not heard of for 3 s").Or.Match("Another rank did not come to rank . within 3 s"));
    }

    private (int Code, string Output, string Error) Disturb(
        int ranks, Action<MpiJob> disturb, params string[] more)
    {
        using var job = new MpiJob(launcher, options, ranks, [MpiJob.Command, .. Work, .. more]);
        job.WaitUntilJoined(ranks);

        // Into the forwards, or what is before them: both end alike.
        Thread.Sleep(1000);
        disturb(job);
        int code = job.Wait();
        return (code, job.Output.GetAwaiter().GetResult(), job.Error.GetAwaiter().GetResult());
    }
}
