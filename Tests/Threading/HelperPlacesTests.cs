using System.Collections.Concurrent;
using System.Collections.Immutable;
using Microsoft.Extensions.Time.Testing;
using NativeFfn.Backends.Cpu.Team;
using NativeFfn.Bindings.Processors;
using NUnit.Framework;

namespace NativeFfn.Tests.Threading;

/// <summary>On a thread that may run on two processors, and that then sleeps on one of them as a helper does.</summary>
[Platform("Linux")]
public sealed class HelperPlacesTests
{
    private const int Helper = 1;

    [Test]
    public void A_helper_that_sleeps_on_its_callers_processor_may_wake_on_all_others()
    {
        ImmutableArray<int> all = Processors();
        using var helper = new SleepingHelper();
        foreach (int processor in all)
        {
            helper.SleepOn(processor);
            helper.CallFrom(processor);
            Assert.That(helper.Allowed, Is.EqualTo(all.Remove(processor)));
        }
    }

    [Test]
    public void A_helper_that_sleeps_elsewhere_is_left_alone()
    {
        ImmutableArray<int> all = Processors();
        using var helper = new SleepingHelper();
        helper.SleepOn(all[0]);
        helper.CallFrom(all[1]);
        Assert.That(helper.Allowed, Is.EqualTo(all));
    }

    [Test]
    public void A_helper_with_one_processor_keeps_it()
    {
        ImmutableArray<int> all = Processors();
        using var helper = new SleepingHelper();
        helper.SleepOn(all[0], [all[0]]);
        helper.CallFrom(all[0]);
        Assert.That(helper.Allowed, Is.EqualTo((int[])[all[0]]));
    }

    [TestCase(50, false)]
    [TestCase(5000, true)]
    public void A_helper_that_wakes_late_may_run_everywhere_again(int microseconds, bool free)
    {
        ImmutableArray<int> all = Processors();
        using var helper = new SleepingHelper();
        for (int i = 0; i < 3; i++)
        {
            helper.SleepOn(all[0]);
            helper.CallFrom(all[0]);
            helper.WakeAfter(TimeSpan.FromMicroseconds(microseconds));
            Assert.That(helper.Allowed, Is.EqualTo(free ? all : all.Remove(all[0])));
        }
    }

    [Test]
    public void What_others_do_to_a_helpers_processors_is_kept_to()
    {
        ImmutableArray<int> all = Processors();
        using var helper = new SleepingHelper();
        helper.SleepOn(all[0]);
        helper.CallFrom(all[0]);
        helper.SleepOn(all[0], [all[0]]);
        helper.CallFrom(all[0]);
        Assert.That(helper.Allowed, Is.EqualTo((int[])[all[0]]));
    }

    [Test]
    public void Callers_and_helpers_that_change_places_allocate_nothing()
    {
        _ = Processors();
        long allocated = long.MaxValue;
        OnThread(() =>
        {
            var places = new HelperPlaces(Helper + 1, TimeProvider.System);
            places.Join(Helper);
            places.Sleep(Helper);
            places.MakeWay();
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++)
            {
                places.Sleep(Helper);
                places.MakeWay();
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        });
        Assert.That(allocated, Is.Zero);
    }

    // A thread that ends with it, as it is bound.
    private static void OnThread(Action action)
    {
        var thread = new Thread(() => action());
        thread.Start();
        thread.Join();
    }

    private static ImmutableArray<int> Processors()
    {
        ImmutableArray<int> all = ThreadAffinity.Read();
        if (all.Length < 2)
        {
            Assert.Ignore("This process has one processor.");
        }

        return all;
    }

    /// <summary>A thread that joins the test's places, falls asleep where it is told, and can be looked at meanwhile.</summary>
    private sealed class SleepingHelper : IDisposable
    {
        private readonly FakeTimeProvider _time = new();
        private readonly HelperPlaces _places;
        private readonly BlockingCollection<Action> _actions = [];
        private readonly Thread _thread;

        public SleepingHelper()
        {
            _places = new HelperPlaces(Helper + 1, _time);
            _thread = new Thread(() =>
            {
                foreach (Action action in _actions.GetConsumingEnumerable())
                {
                    action();
                }
            });
            _thread.Start();
            Run(() => _places.Join(Helper));
        }

        public ImmutableArray<int> Allowed
        {
            get
            {
                ImmutableArray<int> allowed = [];
                Run(() => allowed = ThreadAffinity.Read());
                return allowed;
            }
        }

        /// <summary>Has it run on a processor as it falls asleep, and be allowed what it was before, or others.</summary>
        public void SleepOn(int processor, ImmutableArray<int>? others = null) => Run(() =>
        {
            ImmutableArray<int> allowed = others ?? ThreadAffinity.Read();
            ThreadAffinity.Bind([processor]);
            _places.Sleep(Helper);
            ThreadAffinity.Bind(allowed);
        });

        /// <summary>Calls from a processor.</summary>
        public void CallFrom(int processor) => OnThread(() =>
        {
            ThreadAffinity.Bind([processor]);
            _places.MakeWay();
        });

        /// <summary>Has it wake so long after the call.</summary>
        public void WakeAfter(TimeSpan time)
        {
            _time.Advance(time);
            Run(() => _places.Wake(Helper));
        }

        public void Dispose()
        {
            _actions.CompleteAdding();
            _thread.Join();
            _actions.Dispose();
        }

        private void Run(Action action)
        {
            using var done = new ManualResetEventSlim();
            _actions.Add(() =>
            {
                action();
                done.Set();
            });
            Assert.That(done.Wait(TimeSpan.FromSeconds(30)), "the helper's thread failed");
        }
    }
}
