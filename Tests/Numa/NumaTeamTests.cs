using System.Collections.Concurrent;
using System.Collections.Immutable;
using CsCheck;
using NativeFfn.Backends.Cpu.Forward;
using NativeFfn.Backends.Cpu.Numa;
using NativeFfn.Backends.Cpu.Team;
using NativeFfn.Bindings.Processors;
using NUnit.Framework;

namespace NativeFfn.Tests.Numa;

/// <summary>A team on two nodes: who is bound where, who runs what, and that every slice runs once whatever happens.</summary>
public sealed class NumaTeamTests
{
    [Test]
    public void Threads_run_on_their_node_and_callers_where_they_were()
    {
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        (int first, int second) = FakeMachine.TwoProcessors();
        ImmutableArray<int> before = ThreadAffinity.Read();
        using WorkerTeam team = Team(machine, 4);
        Assert.That(team.Nodes.Select(static node => node.Threads), Is.EqualTo(new[] { 2, 2 }));
        using var together = new Barrier(4);
        var seen = new ConcurrentBag<(int Slice, int Worker, ImmutableArray<int> On)>();
        bool met = true;
        team.Run(
            new SliceJob((slice, worker) =>
            {
                seen.Add((slice, worker, ThreadAffinity.Read()));
                met &= together.SignalAndWait(TimeSpan.FromSeconds(10));
            }),
            [2, 4], helpers: 3);
        Assert.Multiple(() =>
        {
            Assert.That(met, Is.True, "every slice had a thread of its own");
            Assert.That(ThreadAffinity.Read(), Is.EqualTo(before));
            Assert.That(team.WhyNotBound, Is.Null);
            foreach ((int slice, int worker, ImmutableArray<int> on) in seen)
            {
                // A caller takes what nobody else comes to.
                Assert.That(on, Is.EqualTo(worker == 0 ? before : [slice < 2 ? first : second]), $"slice {slice}, worker {worker}");
            }
        });
    }

    [Test]
    public void Every_slice_runs_exactly_once_however_they_are_dealt([Values(2, 3, 5)] int threads)
    {
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        using WorkerTeam team = Team(machine, threads);
        for (int first = 0; first < 12; first++)
        {
            for (int slices = first; slices < 24; slices++)
            {
                var counts = new int[slices];
                team.Run(new SliceJob((slice, _) => Interlocked.Increment(ref counts[slice])), [first, slices], int.MaxValue);
                Assert.That(counts, Is.All.EqualTo(1), $"{first} of {slices} slices on the first node");
            }
        }
    }

    [Test]
    public void Many_callers_share_a_team_without_mixing_jobs()
    {
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        using WorkerTeam team = Team(machine, 3);
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
        {
            var counts = new int[6];
            for (int run = 1; run <= 1000; run++)
            {
                team.Run(new SliceJob((slice, _) => Interlocked.Increment(ref counts[slice])), 6);
                Assert.That(counts, Is.All.EqualTo(run));
            }
        });
    }

    [Test]
    public void A_nodes_slices_run_although_all_its_threads_are_held_up()
    {
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        using WorkerTeam team = Team(machine, 2);
        using var release = new ManualResetEventSlim();
        int ran = 0;
        team.Run(
            new SliceJob((_, worker) =>
            {
                // The two helpers wait until the caller has run everything else.
                if (worker != 0)
                {
                    release.Wait();
                }

                if (Interlocked.Increment(ref ran) >= 14)
                {
                    release.Set();
                }
            }),
            [8, 16], int.MaxValue);
        Assert.That(ran, Is.EqualTo(16));
    }

    [Test]
    public void Threads_that_sleep_are_woken_on_both_nodes()
    {
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        using WorkerTeam team = Team(machine, 4);
        using var together = new Barrier(4);
        bool met = true;
        for (int i = 0; i < 3; i++)
        {
            // Long past the time in which a thread looks for work before it sleeps.
            Thread.Sleep(50);
            team.Run(new SliceJob((_, _) => met &= together.SignalAndWait(TimeSpan.FromSeconds(10))), [2, 4], 3);
        }

        Assert.That(met, Is.True, "every slice had a thread of its own");
    }

    [Test]
    public void A_thread_that_cannot_be_bound_any_more_is_told_and_works()
    {
        // Both nodes are tried before threads are started.
        using FakeMachine machine = FakeMachine.OfTwoNodes() with { MostBound = 2 };
        using WorkerTeam team = Team(machine, 2);
        Assert.That(team.WhyNotBound, Is.EqualTo("sched_setaffinity: Operation not permitted"));
        var counts = new int[8];
        team.Run(new SliceJob((slice, _) => Interlocked.Increment(ref counts[slice])), 8);
        Assert.That(counts, Is.All.EqualTo(1));
    }

    [Test]
    public void Without_nodes_a_team_is_as_it_was()
    {
        using var machine = new FakeMachine { Processors = [0, 1] };
        using WorkerTeam team = Team(machine, 2);
        Assert.That((team.Workers, team.Nodes.Single()), Is.EqualTo((2, NodeShare.Whole(2))));
        Assert.That(machine.Bound, Is.Empty);
    }

    [Test]
    public void Nodes_cover_every_element_once_and_have_the_columns_of_their_weights() =>
        Gen.Select(
            Gen.Int[1, 300], Gen.Int[1, 700], Gen.Int[1, 40], Gen.Bool, Gen.Int[1, 6].Array[1, 4])
        .Sample((rows, columns, wanted, product, threads) =>
        {
            Slicing slicing = product
                ? Slicing.OfProduct(rows, columns, wanted, columnGranularity: 32, 32, enough: wanted)
                : Slicing.OfRows(rows, columns, wanted);
            int before = 0;
            NodeShare[] nodes = [.. threads.Select(count => new NodeShare(before, before += count, threads.Sum()))];
            var covered = new int[rows * columns];
            bool isLocal = true;
            foreach (NodeShare node in nodes)
            {
                for (int slice = 0; slice < slicing.CountOf(node); slice++)
                {
                    Region region = slicing.Of(node, slice);

                    // Within a slice of where its weights lie.
                    int margin = region.Columns + 32;
                    isLocal &= region.Columns == columns
                        || (region.FirstColumn + margin >= node.Start(columns) && region.EndColumn - margin <= node.End(columns));
                    for (int row = region.FirstRow; row < region.EndRow; row++)
                    {
                        for (int column = region.FirstColumn; column < region.EndColumn; column++)
                        {
                            covered[(row * columns) + column]++;
                        }
                    }
                }
            }

            return isLocal && nodes.Sum(slicing.CountOf) == slicing.Count && Array.TrueForAll(covered, static count => count == 1);
        });

    private static WorkerTeam Team(FakeMachine machine, int threads) =>
        new(threads, NumaPlan.Of(new FfnEngineOptions { Threads = threads, NumaSystem = machine }, BackendKind.Managed));

    private sealed class SliceJob(Action<int, int> run) : ISlicedJob
    {
        public void RunSlice(int slice, int worker) => run(slice, worker);
    }
}
