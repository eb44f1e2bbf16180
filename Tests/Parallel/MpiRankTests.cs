using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Parallel;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>Operations of ranks on a real MPI; this runs on every rank of the jobs that <see cref="MpiCollectiveTests"/> starts.</summary>
public sealed class MpiRankTests
{
    // In one test, as ranks have to meet in one order.
    [Test]
    public void Operations_give_every_rank_what_is_its_own()
    {
        if (!MpiJob.IsRank)
        {
            Assert.Ignore("This runs on the ranks of a job, which MpiCollectiveTests starts.");
        }

        using MpiCollective group = MpiCollective.Open(null, TimeSpan.FromSeconds(20));
        int[] lengths = [1, 3, 1000, 1024, 1025, 40_000];
        foreach (int length in lengths)
        {
            float[] sum = [.. Enumerable.Range(0, length).Select(i => (float)(i + group.Rank))];
            group.AllReduce(sum);
            int ranks = group.Ranks * (group.Ranks - 1) / 2;
            Assert.That(sum, Is.EqualTo(Enumerable.Range(0, length).Select(i => (float)((i * group.Ranks) + ranks))), $"{length} elements");
            for (int root = 0; root < group.Ranks; root++)
            {
                byte[] bytes = new byte[length];
                Array.Fill(bytes, (byte)(group.Rank + 1));
                group.Broadcast(bytes, root);
                Assert.That(bytes, Is.All.EqualTo((byte)(root + 1)));
            }

            // Also with nothing for itself, and for ranks that neither send nor receive, one or all.
            Exchange(group, (from, to) => length + from + (2 * to));
            Exchange(group, (from, to) => from == to ? 0 : length + to);
            for (int idle = 0; idle < group.Ranks; idle++)
            {
                Exchange(group, (from, to) => from == idle || to == idle ? 0 : length);
            }

            Exchange(group, static (_, _) => 0);
            group.Barrier();
            Overlap(group, length);
        }
    }

    // As many under way as there may be, of which a rank that computes hears nothing; a place is free as soon as the oldest is over.
    private static unsafe void Overlap(MpiCollective group, int length)
    {
        const int Rounds = 3;
        Assert.That(group.Finish, Throws.InvalidOperationException);
        var memory = new NativeBuffer((long)ICollective.MostPending * length, "Test");
        group.Keep(memory);
        for (int i = 0; i < ICollective.MostPending; i++)
        {
            Start(i);
        }

        Assert.That(() => group.StartAllReduce(memory.Pointer, length), Throws.InvalidOperationException);
        for (int i = 0; i < Rounds * ICollective.MostPending; i++)
        {
            if (i % ICollective.MostPending == group.Rank)
            {
                Thread.Sleep(5);
            }

            group.Finish();
            bool isSum = i % 3 != 2;
            float expected = isSum ? (group.Ranks * i) + (group.Ranks * (group.Ranks - 1) / 2) : i + (i % group.Ranks);
            Assert.That(new ReadOnlySpan<float>(Place(i), length).ToArray(), Is.All.EqualTo(expected), $"operation {i} of {length}");
            if (i + ICollective.MostPending < Rounds * ICollective.MostPending)
            {
                Start(i + ICollective.MostPending);
            }
        }

        float* Place(int i) => memory.Pointer + ((long)(i % ICollective.MostPending) * length);

        void Start(int i)
        {
            new Span<float>(Place(i), length).Fill(i + group.Rank);
            if (i % 3 != 2)
            {
                group.StartAllReduce(Place(i), length);
            }
            else
            {
                group.StartBroadcast(Place(i), length, i % group.Ranks);
            }
        }
    }

    private static void Exchange(MpiCollective group, Func<int, int, int> bytes)
    {
        int[] sentBytes = [.. Enumerable.Range(0, group.Ranks).Select(to => bytes(group.Rank, to))];
        int[] receivedBytes = [.. Enumerable.Range(0, group.Ranks).Select(from => bytes(from, group.Rank))];
        byte[] sent =
        [
            .. Enumerable.Range(0, group.Ranks).SelectMany(to => Enumerable.Repeat((byte)((group.Rank * 16) + to), sentBytes[to])),
        ];
        byte[] received = new byte[receivedBytes.Sum()];
        group.AllToAll(sent, sentBytes, received, receivedBytes);
        Assert.That(received, Is.EqualTo(
            Enumerable.Range(0, group.Ranks).SelectMany(from => Enumerable.Repeat((byte)((from * 16) + group.Rank), receivedBytes[from]))));
    }
}
