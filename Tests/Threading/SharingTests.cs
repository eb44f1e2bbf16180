using System.Diagnostics;
using NativeFfn.Backends.Cpu.Forward;
using NativeFfn.Backends.Cpu.Team;
using NUnit.Framework;

namespace NativeFfn.Tests.Threading;

/// <summary>Whether a forward has helpers: by what it took with and without, and by the processors that callers leave idle.</summary>
[NonParallelizable]
public sealed class SharingTests
{
    // Seconds of forwards: many times what is remembered.
    private const double Long = 4;

    // What the scheduler of a system lets a thread wait where others compute.
    private const double HoldUp = 4e-3;

    [TestCase(20e-6, 27e-6, 0.98)]
    [TestCase(27e-6, 20e-6, 0.02)]
    [TestCase(10e-6, 20e-6, 0.98)]
    [TestCase(700e-6, 900e-6, 0.98)]
    public void The_faster_way_is_learnt_and_the_other_tried_now_and_then(double shared, double alone, double helped)
    {
        var times = new SharingTimes();
        (double part, double mean) = Run(times, Long, _ => shared, alone);
        double best = Math.Min(shared, alone);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(part, Is.EqualTo(helped).Within(0.02));
            Assert.That(part, Is.GreaterThan(0).And.LessThan(1));
            Assert.That(mean, Is.LessThan(1.05 * best));
            Assert.That(times.PrefersHelp(1), Is.EqualTo(shared < alone));
            Assert.That(times.Of(1), Is.EqualTo(best).Within(1e-9));
        }
    }

    [Test]
    public void A_way_that_is_far_slower_costs_little_to_try()
    {
        var times = new SharingTimes();
        Assert.That(Run(times, Long, _ => 1e-3, 20e-6).Mean, Is.LessThan(1.05 * 20e-6));
    }

    // Another process takes a helper's processor for a while, which every two hundredth forward waits for, and leaves again.
    [Test]
    public void Helpers_that_are_held_up_are_done_without_until_they_are_not()
    {
        var times = new SharingTimes();
        Run(times, Long, _ => 20e-6, 27e-6);
        double mean = Run(times, Long, run => run % 200 == 199 ? HoldUp : 20e-6, 27e-6).Mean;
        bool prefersHelp = times.PrefersHelp(1);
        Run(times, Long / 4, _ => 20e-6, 27e-6);
        Assert.That((prefersHelp, times.PrefersHelp(1)), Is.EqualTo((false, true)));
        Assert.That(mean, Is.LessThan(1.05 * 27e-6));
    }

    [Test]
    public void One_hold_up_does_not_change_the_way([Values] bool helpIsFaster)
    {
        var times = new SharingTimes();
        (double shared, double alone) = helpIsFaster ? (20e-6, 24e-6) : (24e-6, 20e-6);
        Run(times, Long, _ => shared, alone);
        while (times.TakesHelp(1) != helpIsFaster)
        {
            times.Measured(1, !helpIsFaster, !helpIsFaster, Math.Max(shared, alone));
        }

        times.Measured(1, helpIsFaster, helpIsFaster, HoldUp);
        Assert.That(times.PrefersHelp(1), Is.EqualTo(helpIsFaster));
        Assert.That(Run(times, Long, _ => shared, alone).Mean, Is.LessThan(1.05 * 20e-6));
    }

    // They are compiled, and grow buffers.
    [Test]
    public void Slow_first_forwards_are_soon_forgotten()
    {
        var times = new SharingTimes();
        Run(times, 25e-3, _ => 5e-3, 1e-3);
        Run(times, 100e-3, _ => 20e-6, 27e-6);
        Assert.That(times.PrefersHelp(1), Is.True);
        Run(times, Long, _ => 20e-6, 27e-6);
        Assert.That(times.Of(1), Is.EqualTo(20e-6).Within(1e-8));
    }

    // It takes longer than several forwards: those that follow find the team awake.
    [Test]
    public void Waking_the_team_is_not_held_against_help()
    {
        var times = new SharingTimes();
        Run(times, Long, _ => 300e-6, 27e-6);
        Assert.That(times.PrefersHelp(1), Is.False);
        int row = 0;
        for (double time = 0; time < Long;)
        {
            bool helps = times.TakesHelp(1);
            row = helps ? row + 1 : 0;
            double seconds = !helps ? 27e-6 : row <= 8 ? 45e-6 : 20e-6;
            times.Measured(1, helps, helps, seconds);
            time += seconds;
        }

        Assert.That(times.PrefersHelp(1), Is.True);
    }

    // Another process has the processor, and lets it go.
    [Test]
    public void A_helper_has_time_to_come()
    {
        var times = new SharingTimes();
        Run(times, Long, _ => 300e-6, 27e-6);
        double waited = 0;
        for (double time = 0; time < Long;)
        {
            bool asked = times.TakesHelp(1);
            waited = asked ? waited : 0;
            bool helped = asked && waited > HoldUp;
            double seconds = helped ? 20e-6 : 27e-6;
            waited += seconds;
            times.Measured(1, asked, helped, seconds);
            time += seconds;
        }

        Assert.That(times.PrefersHelp(1), Is.True);
    }

    [Test]
    public void Helpers_that_never_come_are_given_up()
    {
        var times = new SharingTimes();
        Run(times, Long, _ => 300e-6, 27e-6);
        int asked = 0;
        for (int i = 0; i < 1_000_000; i++)
        {
            bool asks = times.TakesHelp(1);
            asked += asks ? 1 : 0;
            times.Measured(1, asks, helped: false, 27e-6);
        }

        Assert.That(asked, Is.InRange(1, 100_000));
    }

    [Test]
    public void Numbers_of_tokens_are_told_apart()
    {
        var times = new SharingTimes();
        Run(times, Long, _ => 20e-6, 10e-6);
        Assert.That((times.PrefersHelp(1), times.PrefersHelp(64), times.Of(64)), Is.EqualTo((false, true, 0d)));
    }

    [Test]
    public void Every_caller_takes_a_processor_from_the_helpers()
    {
        var callers = new CallersInFlight();
        int idle = callers.IdleProcessors;
        callers.Enter(now: 0);
        int left = callers.IdleProcessors;
        callers.Leave();
        Assert.That((left, callers.IdleProcessors), Is.EqualTo((idle - 1, idle)));
    }

    [Test]
    public void A_processor_is_not_idle_for_long_enough_between_the_calls_of_a_caller()
    {
        var callers = new CallersInFlight();
        bool[] free = [.. Enumerable.Range(0, Environment.ProcessorCount).Select(_ => callers.Enter(now: 0))];
        callers.Leave();
        bool atOnce = callers.Enter(now: Stopwatch.Frequency / 10_000);
        callers.Leave();
        callers.Leave();
        bool later = callers.Enter(now: Stopwatch.Frequency);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(free, Is.EqualTo(Enumerable.Range(1, free.Length).Select(count => count < free.Length)));
            Assert.That((atOnce, later), Is.EqualTo((false, free.Length > 1)));
        }
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

    // Forwards one after the other for a time; shared ones by their number.
    private static (double Helped, double Mean) Run(SharingTimes times, double length, Func<int, double> shared, double alone)
    {
        (int runs, int helped, double time) = (0, 0, 0);
        for (; time < length; runs++)
        {
            bool helps = times.TakesHelp(1);
            double seconds = helps ? shared(helped++) : alone;
            times.Measured(1, helps, helps, seconds);
            time += seconds;
        }

        return (helped / (double)runs, time / runs);
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
