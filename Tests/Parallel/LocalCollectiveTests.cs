using System.Runtime.InteropServices;
using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Parallel;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

[TestFixture]
public sealed class LocalCollectiveTests
{
    private static readonly int[] Lengths = [0, 1, 2, 3, 7, 64, 1000, 4097];

    [Test]
    public void Sums_are_added_in_the_order_of_ranks([Range(1, 5)] int ranks)
    {
        foreach (int length in Lengths)
        {
            float[][] all = [.. Enumerable.Range(0, ranks).Select(rank => Numbers(length, rank))];
            float[] expected = new float[length];
            for (int i = 0; i < length; i++)
            {
                expected[i] = all.Skip(1).Aggregate(all[0][i], (sum, values) => sum + values[i]);
            }

            float[][] sums = [.. all.Select(static values => (float[])values.Clone())];
            RankTeam.Run(ranks, rank => rank.AllReduce(sums[rank.Rank]));
            Assert.That(sums, Is.All.EqualTo(expected), $"{length} elements");
        }
    }

    [Test]
    public void Broadcast_copies_any_ranks_bytes([Range(1, 5)] int ranks)
    {
        foreach (int length in Lengths)
        {
            RankTeam.Run(ranks, rank =>
            {
                for (int root = 0; root < ranks; root++)
                {
                    byte[] bytes = new byte[length];
                    Array.Fill(bytes, (byte)(rank.Rank + 1));
                    rank.Broadcast(bytes, root);
                    Assert.That(bytes, Is.All.EqualTo((byte)(root + 1)));
                }
            });
        }
    }

    [Test]
    public void All_to_all_brings_every_part_to_its_rank([Range(1, 5)] int ranks)
    {
        // Rank r sends rank q so many bytes, none at all among them.
        static int Bytes(int from, int to) => ((from * 3) + (to * 5)) % 7;
        RankTeam.Run(ranks, rank =>
        {
            int[] counts = [.. Enumerable.Range(0, ranks).Select(to => Bytes(rank.Rank, to))];
            byte[] sent = [.. Enumerable.Range(0, ranks).SelectMany(to => Enumerable.Repeat((byte)((rank.Rank * 10) + to), counts[to]))];
            int[] expectedCounts = [.. Enumerable.Range(0, ranks).Select(from => Bytes(from, rank.Rank))];
            byte[] received = new byte[expectedCounts.Sum()];
            rank.AllToAll(sent, counts, received, expectedCounts);
            Assert.That(received, Is.EqualTo(
                Enumerable.Range(0, ranks).SelectMany(from => Enumerable.Repeat((byte)((from * 10) + rank.Rank), expectedCounts[from]))));
        });
    }

    [Test]
    public void Operations_follow_each_other_without_mixing()
    {
        const int Rounds = 300;
        RankTeam.Run(3, rank =>
        {
            for (int round = 0; round < Rounds; round++)
            {
                float[] values = [rank.Rank + round, 1];
                rank.AllReduce(values);
                Assert.That(values, Is.EqualTo(new float[] { 3 + (3 * round), 3 }));
                int number = rank.Rank == round % 3 ? round : -1;
                rank.Broadcast(MemoryMarshal.AsBytes(new Span<int>(ref number)), round % 3);
                Assert.That(number, Is.EqualTo(round));
                rank.Barrier();
            }
        });
    }

    [Test]
    public unsafe void Operations_under_way_end_in_the_order_in_which_they_started([Range(1, 4)] int ranks)
    {
        RankTeam.Run(ranks, rank =>
        {
            using var memory = new NativeBuffer(3, "Test");
            for (int root = 0; root < ranks; root++)
            {
                float* values = memory.Pointer;
                (values[0], values[1], values[2]) = (rank.Rank, rank.Rank == root ? 5 + root : -1, 1);
                rank.StartAllReduce(values, 1);
                rank.StartBroadcast(values + 1, 1, root);
                rank.Finish();
                Assert.That(values[0], Is.EqualTo(ranks * (ranks - 1) / 2));
                rank.StartAllReduce(values + 2, 1);
                rank.Finish();
                Assert.That(values[1], Is.EqualTo(5 + root));
                rank.Finish();
                Assert.That(values[2], Is.EqualTo(ranks));
            }
        });
    }

    [Test]
    public unsafe void There_is_a_bound_on_operations_under_way()
    {
        LocalCollective alone = LocalCollective.Create(1, RankTeam.Limit)[0];
        Assert.That(alone.Finish, Throws.InvalidOperationException);
        using var memory = new NativeBuffer(ICollective.MostPending, "Test");
        for (int i = 0; i < ICollective.MostPending; i++)
        {
            alone.StartAllReduce(memory.Pointer + i, 1);
        }

        Assert.That(() => alone.StartAllReduce(memory.Pointer, 1), Throws.InvalidOperationException);
        Assert.That(() => alone.StartBroadcast(memory.Pointer, 1, 0), Throws.InvalidOperationException);
        Assert.That(() => alone.StartBroadcast(memory.Pointer, 1, 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(alone.Finish, Throws.Nothing);
        Assert.That(() => alone.StartBroadcast(memory.Pointer, 1, 0), Throws.Nothing);
    }

    [Test]
    public void A_rank_that_gives_up_releases_all_others_with_its_reason()
    {
        Exception?[] problems = RankTeam.Try(4, static rank =>
        {
            if (rank.Rank == 2)
            {
                rank.Abort("the disk is full.");
                return;
            }

            rank.AllReduce(new float[8]);
        });
        Assert.That(problems[2], Is.Null);
        Assert.That(problems.Where(static problem => problem is not null).Select(static problem => problem!.Message),
            Is.EqualTo(Enumerable.Repeat("Rank 2 gave up: the disk is full.", 3)));
    }

    [Test]
    public void A_rank_that_does_not_come_is_waited_for_as_long_as_the_limit()
    {
        Exception?[] problems = RankTeam.Try(
            3,
            static rank =>
            {
                if (rank.Rank != 1)
                {
                    rank.Barrier();
                }
            },
            TimeSpan.FromMilliseconds(50));
        Assert.That(problems[0], Is.TypeOf<CollectiveFailedException>().With.Message.Contains("1 of 3 ranks did not come within 0.05 s"));
        Assert.That(problems[2]!.Message, Is.EqualTo(problems[0]!.Message));
    }

    [Test]
    public void Ranks_that_do_different_things_are_told()
    {
        Exception?[] problems = RankTeam.Try(2, static rank =>
        {
            if (rank.Rank == 0)
            {
                rank.AllReduce(new float[3]);
            }
            else
            {
                rank.AllReduce(new float[4]);
            }
        });
        Assert.That(problems, Is.All.TypeOf<CollectiveFailedException>().With.Message.Contains("disagree"));
        problems = RankTeam.Try(2, static rank => rank.AllToAll(new byte[2], [1, 1], new byte[3], [1, 2]));
        Assert.That(problems, Is.All.TypeOf<CollectiveFailedException>());
    }

    [Test]
    public void Counts_are_proven()
    {
        LocalCollective alone = LocalCollective.Create(1, RankTeam.Limit)[0];
        Assert.That(() => alone.AllToAll(new byte[2], [1], new byte[2], [2]), Throws.ArgumentException);
        Assert.That(() => alone.AllToAll(new byte[2], [1, 1], new byte[2], [2]), Throws.ArgumentException);
        Assert.That(() => alone.AllToAll(new byte[2], [2], [], [-1]), Throws.InstanceOf<ArgumentException>());
        Assert.That(() => alone.Broadcast(new byte[2], 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    private static float[] Numbers(int length, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => (random.NextSingle() - 0.5f) * MathF.Pow(10, random.Next(-3, 4)))];
    }
}
