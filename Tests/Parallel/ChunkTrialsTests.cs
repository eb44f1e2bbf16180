using NativeFfn.Backends.Parallel;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>Into how many chunks forwards go, by times that are made up.</summary>
[TestFixture]
public sealed class ChunkTrialsTests
{
    private const int Most = 16;

    [Test]
    public void A_number_that_is_given_is_kept_as_far_as_tokens_allow()
    {
        var trials = new ChunkTrials(5);
        Assert.That(Learn(trials, 64, static chunks => 1.0 / chunks), Is.EqualTo(5));
        Assert.That(trials.Next(3, most: 3), Is.EqualTo(3));
    }

    [Test]
    public void Chunks_that_take_as_long_or_longer_are_given_up_after_few_forwards([Values(1.0, 1.01, 2.0)] double factor)
    {
        var trials = new ChunkTrials(0);
        int tried = 0;
        Assert.That(Learn(trials, 64, chunks => chunks == 1 ? 1 : factor, chunks => tried += chunks > 1 ? 1 : 0), Is.EqualTo(1));
        Assert.That(tried, Is.LessThanOrEqualTo(7));
    }

    [TestCase(2)]
    [TestCase(4)]
    [TestCase(16)]
    public void Chunks_are_doubled_as_long_as_that_is_faster(int best) =>
        Assert.That(Learn(new ChunkTrials(0), 64, chunks => 1 + (0.1 * Math.Abs(Math.Log2(chunks) - Math.Log2(best)))), Is.EqualTo(best));

    [Test]
    public void Each_size_learns_for_itself_and_has_no_more_chunks_than_tokens()
    {
        var trials = new ChunkTrials(0);
        Assert.That(Learn(trials, 512, static chunks => 1.0 / chunks), Is.EqualTo(Most));
        Assert.That(Learn(trials, 64, static chunks => chunks), Is.EqualTo(1));
        Assert.That(Learn(trials, 5, static chunks => 1.0 / chunks), Is.EqualTo(4));
        Assert.That(Learn(trials, 1, static chunks => 1.0 / chunks), Is.EqualTo(1));
        Assert.That(trials.Next(600, Most), Is.EqualTo(Most));
    }

    [Test]
    public void Sizes_that_change_in_turns_favour_no_way()
    {
        // Where time does not depend on tokens, the larger of two looks faster for each.
        var trials = new ChunkTrials(0);
        for (int forward = 0; forward < 400; forward++)
        {
            int tokens = forward % 2 == 0 ? 64 : 127;
            trials.Next(tokens, Most);
            trials.Measured(tokens, TimeSpan.FromMilliseconds(1));
        }

        Assert.That(trials.Next(64, Most), Is.EqualTo(1));
    }

    [Test]
    public void A_forward_that_is_held_up_now_and_then_does_not_decide()
    {
        int forward = 0;
        int chosen = Learn(
            new ChunkTrials(0), 64, chunks => (chunks == 1 ? 1 : 0.7 + (0.1 * Math.Log2(chunks))) * (++forward % 23 == 0 ? 10 : 1));
        Assert.That(chosen, Is.EqualTo(2));
    }

    [Test]
    public void Noise_alone_rarely_chooses_chunks()
    {
        var random = new Random(1);
        int chosen = Enumerable.Range(0, 2000).Count(_ => Learn(new ChunkTrials(0), 3, _ => 1 + random.NextDouble()) > 1);
        Assert.That(chosen, Is.LessThan(30), "1 of 150 of 2000 is 13");
    }

    // What is chosen in the end, where a forward in so many chunks takes so many seconds.
    private static int Learn(ChunkTrials trials, int tokens, Func<int, double> seconds, Action<int>? tried = null)
    {
        const int Forwards = 400;
        for (int forward = 0; forward < Forwards; forward++)
        {
            int chunks = trials.Next(tokens, Math.Min(tokens, Most));
            tried?.Invoke(chunks);
            trials.Measured(tokens, TimeSpan.FromSeconds(seconds(chunks)));
        }

        return trials.Next(tokens, Math.Min(tokens, Most));
    }
}
