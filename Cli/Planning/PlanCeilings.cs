namespace NativeFfn.Cli.Planning;

/// <summary>What a rank can do at most, measured or given.</summary>
/// <param name="GbPerSec">10⁹ bytes of weights that it reads in a second.</param>
/// <param name="Gflops">10⁹ operations that it does in a second, a multiply-add counted as two.</param>
/// <param name="LinkGbPerSec">10⁹ bytes that it sends to another rank in a second.</param>
/// <param name="LinkMicroseconds">What a message takes before its first byte is there.</param>
/// <param name="Source">Where the numbers come from.</param>
internal sealed record PlanCeilings(double GbPerSec, double Gflops, double LinkGbPerSec, double LinkMicroseconds, string Source)
{
    // Which algorithm an operation has is MPI's to choose; these are the usual ones.
    private const double Milli = 1e3;
    private const double Giga = 1e9;
    private const double Micro = 1e-6;

    /// <summary>Milliseconds that weights and operations take, whichever lasts longer.</summary>
    public double ComputeMs(double bytes, double flops) => Milli * Math.Max(ReadSeconds(bytes), flops / (Gflops * Giga));

    /// <summary>Whether reading weights lasts longer than multiplying by them.</summary>
    public bool IsBoundByMemory(double bytes, double flops) => ReadSeconds(bytes) > flops / (Gflops * Giga);

    /// <summary>
    /// Milliseconds of a broadcast, the faster of a binomial tree, ⌈log₂ R⌉ · (latency + bytes / rate), and of scattering and gathering by a
    /// ring, (⌈log₂ R⌉ + R - 1) · latency + 2 · (R - 1) / R · bytes / rate.
    /// </summary>
    /// <remarks>Thakur, Rabenseifner and Gropp 2005, as what follows.</remarks>
    public double BroadcastMs(int ranks, double bytes) => Milli * Math.Min(
        Tree(ranks, bytes), ((Steps(ranks) + ranks - 1) * Latency) + (2.0 * (ranks - 1) / ranks * bytes / Rate));

    /// <summary>
    /// Milliseconds of an all-reduce, the faster of recursive doubling, ⌈log₂ R⌉ · (latency + bytes / rate), and of a ring,
    /// 2 · (R - 1) · (latency + bytes / (R · rate)).
    /// </summary>
    public double AllReduceMs(int ranks, double bytes) =>
        Milli * Math.Min(Tree(ranks, bytes), 2 * (ranks - 1) * (Latency + (bytes / (ranks * Rate))));

    private double Latency => LinkMicroseconds * Micro;

    private double Rate => LinkGbPerSec * Giga;

    private double Tree(int ranks, double bytes) => Steps(ranks) * (Latency + (bytes / Rate));

    private static int Steps(int ranks) => ranks <= 1 ? 0 : int.Log2(ranks - 1) + 1;

    private double ReadSeconds(double bytes) => bytes / (GbPerSec * Giga);
}
