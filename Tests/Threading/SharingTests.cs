using NativeFfn.Backends.Cpu.Forward;
using NativeFfn.Backends.Cpu.Team;
using NUnit.Framework;

namespace NativeFfn.Tests.Threading;

/// <summary>Whether a forward has helpers: by what it took with and without, and by the processors that callers leave idle.</summary>
[NonParallelizable]
public sealed class SharingTests
{
    private const int Forwards = 4000;

    [TestCase(20e-6, 27e-6, 0.97)]
    [TestCase(27e-6, 20e-6, 0.03)]
    [TestCase(10e-6, 20e-6, 0.97)]
    public void The_faster_way_is_learnt_and_the_other_tried_now_and_then(double shared, double alone, double helped)
    {
        var times = new SharingTimes();
        int count = Run(times, Forwards, shared, alone);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(count / (double)Forwards, Is.EqualTo(helped).Within(0.03));
            Assert.That(count, Is.InRange(1, Forwards - 1));
            Assert.That(times.PrefersHelp(1), Is.EqualTo(shared < alone));
            Assert.That(times.Of(1), Is.EqualTo(Math.Min(shared, alone)).Within(1e-9));
        }
    }

    // Another process takes the helper's processor for a while, so that every eighth forward waits for it, and leaves again.
    [Test]
    public void Helpers_that_are_held_up_are_done_without_until_they_are_not()
    {
        var times = new SharingTimes();
        Run(times, Forwards, 20e-6, 27e-6);
        for (int i = 0; i < Forwards; i++)
        {
            bool helps = times.TakesHelp(1);
            times.Measured(1, helps, helps ? i % 8 == 0 ? 300e-6 : 20e-6 : 27e-6);
        }

        Assert.That(times.PrefersHelp(1), Is.False);
        Run(times, 10 * Forwards, 20e-6, 27e-6);
        Assert.That(times.PrefersHelp(1), Is.True);
    }

    // They are compiled, and grow buffers.
    [Test]
    public void Slow_first_forwards_are_forgotten_at_once()
    {
        var times = new SharingTimes();
        Run(times, 5, 5e-3, 1e-3);
        Run(times, 20, 20e-6, 27e-6);
        Assert.That((times.PrefersHelp(1), times.Of(1)), Is.EqualTo((true, 20e-6)));
    }

    // After a while without work: what follows on it finds the team awake.
    [Test]
    public void Waking_the_team_is_not_held_against_help()
    {
        var times = new SharingTimes();
        Run(times, Forwards, 300e-6, 27e-6);
        bool helped = false;
        for (int i = 0; i < 20 * Forwards; i++)
        {
            bool helps = times.TakesHelp(1);
            times.Measured(1, helps, !helps ? 27e-6 : helped ? 20e-6 : 100e-6);
            helped = helps;
        }

        Assert.That(times.PrefersHelp(1), Is.True);
    }

    [Test]
    public void Numbers_of_tokens_are_told_apart()
    {
        var times = new SharingTimes();
        Run(times, 100, 20e-6, 10e-6);
        Assert.That((times.PrefersHelp(1), times.PrefersHelp(64), times.Of(64)), Is.EqualTo((false, true, 0d)));
    }

    [Test]
    public void Every_caller_takes_a_processor_from_the_helpers()
    {
        var callers = new CallersInFlight();
        int idle = callers.IdleProcessors;
        callers.Enter();
        int left = callers.IdleProcessors;
        callers.Leave();
        Assert.That((left, callers.IdleProcessors), Is.EqualTo((idle - 1, idle)));
    }

    [Test]
    public void Without_an_idle_processor_a_caller_runs_every_slice_itself()
    {
        using var team = new WorkerTeam(4);
        var job = new ThreadsJob();
        for (int run = 0; run < 50; run++)
        {
            team.Run(job, 8, helpers: 0);
        }

        Assert.That(job.Threads, Is.EquivalentTo(new[] { Environment.CurrentManagedThreadId }));
    }

    private static int Run(SharingTimes times, int forwards, double shared, double alone)
    {
        int helped = 0;
        for (int i = 0; i < forwards; i++)
        {
            bool helps = times.TakesHelp(1);
            helped += helps ? 1 : 0;
            times.Measured(1, helps, helps ? shared : alone);
        }

        return helped;
    }

    private sealed class ThreadsJob : ISlicedJob
    {
        public HashSet<int> Threads { get; } = [];

        public void RunSlice(int slice, int worker)
        {
            lock (Threads)
            {
                Threads.Add(Environment.CurrentManagedThreadId);
            }
        }
    }
}
