using CsCheck;
using NativeFfn.Backends.Cpu.Forward;
using NativeFfn.Backends.Cpu.Team;
using NativeFfn.Backends.Storage;
using NUnit.Framework;

namespace NativeFfn.Tests.Threading;

public sealed class WorkerTeamTests
{
    [Test]
    public void Every_slice_runs_exactly_once([Values(1, 2, 4, 7)] int threads)
    {
        using var team = new WorkerTeam(threads);
        for (int slices = 0; slices < 40; slices++)
        {
            var job = new CountingJob(slices);
            team.Run(job, slices);
            Assert.That(job.Counts, Is.All.EqualTo(1), $"{slices} slices");
        }
    }

    [Test]
    public void Many_callers_share_a_team_without_mixing_jobs()
    {
        using var team = new WorkerTeam(3);
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
        {
            var job = new CountingJob(6);
            for (int run = 1; run <= 2000; run++)
            {
                team.Run(job, 6);
                Assert.That(job.Counts, Is.All.EqualTo(run));
            }
        });
    }

    [Test]
    public void Threads_that_sleep_are_woken_for_a_job([Values(2, 4)] int threads)
    {
        using var team = new WorkerTeam(threads);
        using var together = new Barrier(threads);
        bool met = true;
        for (int i = 0; i < 3; i++)
        {
            // Long past the time in which a thread looks for work before it sleeps.
            Thread.Sleep(50);
            team.Run(new WorkerJob(_ => met = met && together.SignalAndWait(TimeSpan.FromSeconds(10))), threads);
        }

        Assert.That(met, Is.True, "every slice had a thread of its own");
    }

    [Test]
    public void A_job_may_run_another_one()
    {
        using var team = new WorkerTeam(2);
        var inner = new CountingJob(4);
        team.Run(new ActionJob(_ => team.Run(inner, 4)), 3);
        Assert.That(inner.Counts, Is.All.EqualTo(3));
    }

    [Test]
    public void A_failure_reaches_the_caller_after_all_slices_and_the_team_goes_on([Values(1, 3)] int threads)
    {
        using var team = new WorkerTeam(threads);
        int ran = 0;
        var failing = new ActionJob(slice =>
        {
            Interlocked.Increment(ref ran);
            if (slice == 0)
            {
                throw new InvalidDataException("slice 0");
            }
        });
        Assert.That(() => team.Run(failing, 5), Throws.TypeOf<InvalidDataException>());
        var job = new CountingJob(5);
        team.Run(job, 5);
        Assert.Multiple(() =>
        {
            Assert.That(ran, Is.Positive);
            Assert.That(job.Counts, Is.All.EqualTo(1));
        });
    }

    [Test]
    public void A_disposed_team_leaves_the_work_to_its_callers()
    {
        var team = new WorkerTeam(3);
        team.Dispose();
        var job = new CountingJob(5);
        team.Run(job, 5);
        Assert.That(job.Counts, Is.All.EqualTo(1));
    }

    [Test]
    public void Disposing_while_jobs_run_loses_no_slice()
    {
        for (int round = 0; round < 50; round++)
        {
            var team = new WorkerTeam(3);
            var job = new CountingJob(8);
            Task disposal = Task.Run(team.Dispose);
            for (int run = 0; run < 20; run++)
            {
                team.Run(job, 8);
            }

            disposal.Wait();
            Assert.That(job.Counts, Is.All.EqualTo(20));
        }
    }

    [Test]
    public void Slices_cover_every_element_once() =>
        Gen.Select(Gen.Int[1, 700], Gen.Int[1, 700], Gen.Int[1, 40], Gen.Int[1, 2], Gen.Bool).Sample((rows, columns, wanted, minimum, product) =>
        {
            Slicing slicing = product
                ? Slicing.OfProduct(rows, columns, wanted, columnGranularity: 32, minimum * 32, enough: wanted)
                : Slicing.OfRows(rows, columns, wanted);
            var covered = new int[rows * columns];
            for (int slice = 0; slice < slicing.Count; slice++)
            {
                Region region = slicing[slice];
                if (region.FirstColumn % 32 != 0 || region.Columns == 0 || region.Rows == 0)
                {
                    return false;
                }

                for (int row = region.FirstRow; row < region.EndRow; row++)
                {
                    for (int column = region.FirstColumn; column < region.EndColumn; column++)
                    {
                        covered[(row * columns) + column]++;
                    }
                }
            }

            // Rows and columns are cut alike, so that there may be up to a cut of columns more than was wanted.
            return slicing.Count >= 1 && slicing.Count < 2 * wanted && Array.TrueForAll(covered, static count => count == 1);
        });

    [Test]
    public void Slots_never_give_one_object_to_two_takers()
    {
        using var slots = new ObjectSlots<Item>(4, static () => new Item());
        Parallel.For(0, 20_000, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
        {
            Item item = slots.Take();
            Assert.That(Interlocked.Increment(ref item.Users), Is.EqualTo(1));
            Interlocked.Decrement(ref item.Users);
            slots.Return(item);
        });
    }

    [Test]
    public void Disposed_slots_dispose_what_they_hold_and_what_comes_back()
    {
        var slots = new ObjectSlots<Item>(2, static () => new Item());
        Item kept = slots.Take();
        Item used = slots.Take();
        slots.Return(kept);
        slots.Dispose();
        Assert.That(kept.Disposed, Is.True);
        slots.Return(used);
        Assert.That(used.Disposed, Is.True);
    }

    [Test]
    public void No_two_slices_run_with_one_worker_number_at_a_time([Values(1, 2, 5)] int threads)
    {
        using var team = new WorkerTeam(threads);
        int[] running = new int[threads];
        bool shared = false;
        for (int round = 0; round < 200; round++)
        {
            team.Run(
                new WorkerJob(worker =>
                {
                    shared |= Interlocked.Increment(ref running[worker]) != 1;
                    Thread.SpinWait(20);
                    Interlocked.Decrement(ref running[worker]);
                }),
                2 * threads);
        }

        Assert.That(shared, Is.False);
    }

    private sealed class WorkerJob(Action<int> run) : ISlicedJob
    {
        public void RunSlice(int slice, int worker) => run(worker);
    }

    private sealed class CountingJob(int slices) : ISlicedJob
    {
        public int[] Counts { get; } = new int[slices];

        public void RunSlice(int slice, int worker) => Interlocked.Increment(ref Counts[slice]);
    }

    private sealed class ActionJob(Action<int> run) : ISlicedJob
    {
        public void RunSlice(int slice, int worker) => run(slice);
    }

    private sealed class Item : IDisposable
    {
        public int Users;

        public bool Disposed { get; private set; }

        public void Dispose() => Disposed = true;
    }
}
