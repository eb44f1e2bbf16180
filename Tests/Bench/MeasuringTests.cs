using NativeFfn.Cli.Benchmarking;
using NativeFfn.Tests.Checkpoints;
using NUnit.Framework;

namespace NativeFfn.Tests.Bench;

/// <summary>Code that <c>nativeffn bench</c> and the measuring tool share: copies of weights, medians and allocations.</summary>
public sealed class MeasuringTests
{
    private const int Cache = 1000;

    // 4000 bytes must pass in a round.
    [TestCase(4000, 4000, 1, true)]
    [TestCase(3999, 3999, 2, true)]
    [TestCase(1001, 1001, 4, true)]
    [TestCase(40, 40, 100, true)]
    [TestCase(39, 39, 100, false)]
    [TestCase(1000, 3000, 3, false)]
    [TestCase(5000, 100_000, 1, true)]
    public void Copies_on_a_CPU_read_four_caches_in_a_round_as_far_as_memory_allows(long read, long stored, int copies, bool isPastCache)
    {
        var limits = new RotationLimits(Cache, MemoryBytes: 10_000, MostCopies: 100);
        Assert.That(limits.Of(read, stored), Is.EqualTo(new WeightRotation(copies, isPastCache)));
    }

    [TestCase(4000, true)]
    [TestCase(3999, false)]
    public void One_copy_that_stays_says_whether_it_fits_the_cache(long bytes, bool isPastCache)
    {
        WeightRotation rotation = new RotationLimits(Cache, MemoryBytes: 10_000, MostCopies: 1).Of(bytes, bytes);
        Assert.That(rotation, Is.EqualTo(new WeightRotation(1, isPastCache)));
        Assert.That(rotation.ToString(), Is.EqualTo(isPastCache ? "1" : "1 (in cache)"));
    }

    [Test]
    public void Subjects_share_the_memory() => Assert.Multiple(() =>
    {
        long whole = RotationLimits.Here(resident: false, subjects: 1).MemoryBytes;
        Assert.That(RotationLimits.Here(resident: false, subjects: 4).MemoryBytes, Is.EqualTo(whole / 4).Within(1));
        Assert.That(RotationLimits.Here(resident: true, subjects: 1).MostCopies, Is.EqualTo(1));
    });

    [Test]
    public void The_last_cache_is_the_largest_one_that_Linux_lists()
    {
        using var folder = new TempFolder();
        Assert.That(LastLevelCache.BytesIn(folder.Path), Is.EqualTo(64 << 20), "nothing is listed");
        Assert.That(LastLevelCache.BytesIn(Path.Combine(folder.Path, "nowhere")), Is.EqualTo(64 << 20));
        foreach ((string index, string size) in new[] { ("index0", "32K\n"), ("index1", "3M\n"), ("index2", "512K\n"), ("index3", "?\n") })
        {
            Directory.CreateDirectory(Path.Combine(folder.Path, index));
            File.WriteAllText(Path.Combine(folder.Path, index, "size"), size);
        }

        Assert.That(LastLevelCache.BytesIn(folder.Path), Is.EqualTo(3 << 20));
    }

    [Test]
    public void A_median_is_the_middle_one_or_between_the_two()
    {
        Assert.That(Times.Of([3, 1, 2]), Is.EqualTo(new Times(2, 1, 3, 3, 3)));
        Assert.That(Times.Of([4, 1, 2, 8]), Is.EqualTo(new Times(3, 1, 8, 8, 4)));
    }

    // An array is its elements, its length and a header.
    [Test]
    public void A_call_that_allocates_is_told()
    {
        byte[]? kept = null;
        Assert.That(AllocationMeter.BytesPerCall(() => kept = new byte[1000]), Is.InRange(1024, 4096));
        Assert.That(kept, Has.Length.EqualTo(1000));
    }
}
