using NativeFfn.Backends.Cpu.Team;
using NUnit.Framework;

namespace NativeFfn.Tests.Threading;

/// <summary>Who takes which slices.</summary>
public sealed class TeamNodeTests
{
    [Test]
    public void Each_thread_takes_its_own_share_in_order_and_then_what_others_have_not_begun()
    {
        var node = new TeamNode(helpers: 2);
        node.Offer(first: 100, slices: 9);
        Assert.That((Take(node, 1), Take(node, node.Guest), Take(node, 1)), Is.EqualTo((103, 106, 104)));
        Assert.That(All(node, 1), Is.EqualTo(new[] { 105, 107, 108, 100, 101, 102 }));
    }

    [Test]
    public void Slices_are_taken_once_however_few_there_are_and_were([Values(0, 1, 2, 3)] int place)
    {
        var node = new TeamNode(helpers: 3);
        foreach (int slices in (int[])[1, 0, 7, 2, 2, 1, 3, 40, 5])
        {
            node.Offer(first: 0, slices);
            Assert.That(All(node, place), Is.EquivalentTo(Enumerable.Range(0, slices)));
            Assert.That(node.HasSlices, Is.False);
        }
    }

    [Test]
    public void What_its_own_helpers_take_next_is_not_to_spare()
    {
        var node = new TeamNode(helpers: 2);
        node.Offer(first: 0, slices: 4);
        var spare = new List<bool>();
        while (node.HasSlices)
        {
            spare.Add(node.HasSlicesToSpare);
            _ = Take(node, 0);
        }

        Assert.That(spare, Is.EqualTo(new[] { true, true, false, false }));
    }

    [Test]
    public void A_job_is_done_when_its_last_slice_is()
    {
        var node = new TeamNode(helpers: 1);
        node.Offer(first: 0, slices: 2);
        _ = All(node, 0);
        node.Done();
        Assert.That(node.IsDone, Is.False);
        node.Done();
        Assert.That(node.IsDone, Is.True);
    }

    private static int Take(TeamNode node, int place) => node.TryTake(place, out int slice) ? slice : -1;

    private static int[] All(TeamNode node, int place)
    {
        var taken = new List<int>();
        while (node.TryTake(place, out int slice))
        {
            taken.Add(slice);
        }

        return [.. taken];
    }
}
