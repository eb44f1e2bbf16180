using NativeFfn.Backends;
using NativeFfn.Backends.Parallel;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

[TestFixture]
public sealed class ParallelPlanTests
{
    [TestCase("auto", 0, 0)]
    [TestCase("AUTO", 0, 0)]
    [TestCase("tensor=2", 2, 1)]
    [TestCase("expert=4", 1, 4)]
    [TestCase("tensor=2,expert=3", 2, 3)]
    [TestCase("expert=3, tensor=2", 2, 3)]
    public void Reads_plans(string text, int tensor, int expert)
    {
        Assert.That(ParallelPlan.TryParse(text, out ParallelPlan plan), Is.True);
        Assert.That(plan, Is.EqualTo(new ParallelPlan(tensor, expert)));
    }

    [TestCase(null)]
    [TestCase("")]
    [TestCase("tensor")]
    [TestCase("tensor=0")]
    [TestCase("tensor=-1")]
    [TestCase("tensor=2,tensor=2")]
    [TestCase("tensor=2;expert=2")]
    [TestCase("tensor=99999999999")]
    [TestCase("tensor=1048576,expert=1048576")]
    [TestCase("pipeline=2")]
    public void Refuses_others(string? text) => Assert.That(ParallelPlan.TryParse(text, out _), Is.False);

    [Test]
    public void Cuts_cover_all_once_and_evenly(
        [Values(1, 7, 24, 33, 14336)] int length, [Values(1, 8, 32)] int unit, [Range(1, 5)] int parts)
    {
        int end = 0;
        var counts = new List<int>();
        for (int part = 0; part < parts; part++)
        {
            Cut cut = Cut.Of(length, unit, part, parts);
            Assert.That(cut.First, Is.EqualTo(end));
            Assert.That(cut.Count % unit == 0 || cut.First + cut.Count == length);
            end += cut.Count;
            counts.Add(Cut.Units(cut.Count, unit));
        }

        Assert.That(end, Is.EqualTo(length));
        Assert.That(counts.Max() - counts.Min(), Is.LessThanOrEqualTo(1));
    }
}
