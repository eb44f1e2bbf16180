using System.Numerics;

namespace NativeFfn.Hosting.Batching;

/// <summary>How long a layer's forwards take by their number of tokens, learnt while they run.</summary>
/// <remarks>
/// Kept for each power of two. Written by whoever ran a forward, without a lock: of two at once one may be lost, which the next one mends.
/// </remarks>
internal sealed class ForwardTimes
{
    // The part by which a new time moves the estimate: enough to follow a change within some ten forwards.
    private const double Learnt = 1.0 / 8;

    // A thread that loses its processor for a while says nothing about the layer: no time counts for more than so many times the estimate.
    private const double MostOfEstimate = 2;

    // What an estimate that keeps a forward from being tried loses each time, so that it is tried again one day.
    private const double Kept = 63.0 / 64;

    private readonly double[] _seconds = new double[sizeof(int) * 8];
    private double _batched;

    /// <summary>Seconds of a token in a batch of several requests; 0 where none was run yet.</summary>
    public double Batched => Volatile.Read(ref _batched);

    /// <summary>Seconds that a forward of so many tokens takes; 0 where none was run yet.</summary>
    public double Of(int tokens) => Volatile.Read(ref _seconds[BitOperations.Log2((uint)tokens)]);

    /// <summary>
    /// The same where such a forward was run, else by the next smaller one that was, as if each token took as long; 0 where there is none.
    /// </summary>
    public double Expected(int tokens)
    {
        int known = BitOperations.Log2((uint)tokens);
        for (int doublings = 0; known >= 0; known--, doublings++)
        {
            if (Volatile.Read(ref _seconds[known]) is > 0 and var seconds)
            {
                return Math.ScaleB(seconds, doublings);
            }
        }

        return 0;
    }

    /// <summary>A forward of so many tokens took so long.</summary>
    public void Measured(int tokens, TimeSpan elapsed)
    {
        ref double seconds = ref _seconds[BitOperations.Log2((uint)tokens)];
        seconds = Follow(seconds, elapsed.TotalSeconds);
    }

    /// <summary>Several requests of so many tokens together took so long.</summary>
    public void MeasuredBatch(int tokens, TimeSpan elapsed)
    {
        Measured(tokens, elapsed);
        Volatile.Write(ref _batched, Follow(_batched, elapsed.TotalSeconds / tokens));
    }

    /// <summary>Whether tokens that are run together with others are done sooner than apart; true where that was not tried yet.</summary>
    public bool Pays(int tokens, int others)
    {
        double together = Of(tokens + others);
        double apart = Of(tokens) is > 0 and var one && Of(others) is > 0 and var other ? one + other : double.MaxValue;
        if (together <= apart)
        {
            return true;
        }

        _seconds[BitOperations.Log2((uint)(tokens + others))] = Kept * together;
        return false;
    }

    /// <summary>An estimate after one more time, in seconds; 0 before the first.</summary>
    public static double Follow(double estimate, double seconds) =>
        estimate == 0 ? seconds : estimate + (Learnt * (Math.Min(seconds, MostOfEstimate * estimate) - estimate));
}
