using System.Diagnostics;
using System.Runtime.Intrinsics;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Ceiling;

/// <summary>Measures what the machine can do at most, on all threads together, and keeps the best that was ever seen.</summary>
internal sealed class CeilingMeter
{
    // A millisecond or two: far longer than threads need to start, and yet short enough to fit between others on a shared machine.
    private const long MultiplyTurns = 400_000;

    // A tenth of a millisecond or so, read again and again where the weights are smaller: long beside the clock's tick.
    private const long LeastPassBytes = 4 * 1024 * 1024;

    // Bytes that all passes over one size may read together, but for a few passes in any case.
    private const long MostPassBytes = 8L << 30;

    private const int FewestPasses = 8;
    private const int MostPasses = 40;

    private readonly int _threads;
    private readonly Dictionary<long, double> _bytesPerSecond = [];
    private double _flopsPerSecond;

    // Results that nobody needs but the compiler, which would leave out a loop without one.
    private volatile float _sink;

    /// <summary>Nothing was measured yet.</summary>
    /// <param name="threads">Threads to measure with.</param>
    public CeilingMeter(int threads) => _threads = threads;

    /// <summary>Best rate of multiply-adds so far, each counted as two operations.</summary>
    public double FlopsPerSecond => _flopsPerSecond;

    /// <summary>Measures once more.</summary>
    /// <param name="roundBytes">Sizes of what the subjects read over and over.</param>
    public void Measure(IEnumerable<long> roundBytes)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            MeasureWith<Register512>(roundBytes);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            MeasureWith<Register256>(roundBytes);
        }
        else
        {
            MeasureWith<Register128>(roundBytes);
        }
    }

    /// <summary>Best rate so far of reading as many bytes over and over, as forwards do with their weights.</summary>
    public double BytesPerSecond(long roundBytes) => _bytesPerSecond[roundBytes];

    /// <summary>
    /// The roofline (Williams, Waterman and Patterson 2009): a forward reads its weights once and does its operations, at best both at a time.
    /// </summary>
    /// <param name="roundBytes">Bytes that forwards read before they come back to the same ones.</param>
    /// <param name="readBytes">Bytes of weights that one forward reads.</param>
    /// <param name="flops">Operations of one forward.</param>
    public double RooflineSeconds(long roundBytes, long readBytes, double flops) =>
        Math.Max(readBytes / _bytesPerSecond[roundBytes], flops / _flopsPerSecond);

    private unsafe void MeasureWith<TVector>(IEnumerable<long> roundBytes)
        where TVector : struct, IVectorRegister<TVector>
    {
        double seconds = BestPass(MostPasses, _ => _sink = CeilingLoops<TVector>.Multiply(MultiplyTurns));
        _flopsPerSecond = Math.Max(_flopsPerSecond, _threads * (double)MultiplyTurns * CeilingLoops<TVector>.FlopsPerTurn / seconds);
        foreach (long bytes in roundBytes.Distinct())
        {
            long share = Math.Max(1, bytes / sizeof(float) / _threads / CeilingLoops<TVector>.ReadStep) * CeilingLoops<TVector>.ReadStep;
            using var memory = new AlignedFloats(checked((int)(share * _threads)));
            memory.Span.Fill(1);
            long read = memory.Length * (long)sizeof(float);
            long turns = Math.Max(1, LeastPassBytes / read);
            seconds = BestPass((int)Math.Clamp(MostPassBytes / (turns * read), FewestPasses, MostPasses), thread =>
            {
                for (long turn = 0; turn < turns; turn++)
                {
                    _sink = CeilingLoops<TVector>.Read(memory.Pointer + (thread * share), share);
                }
            });
            _bytesPerSecond[bytes] = Math.Max(_bytesPerSecond.GetValueOrDefault(bytes), turns * read / seconds);
        }
    }

    // The shortest time from the first thread's start to the last one's end.
    private double BestPass(int passes, Action<int> work)
    {
        using var barrier = new Barrier(_threads);
        long[] starts = new long[_threads * passes];
        long[] ends = new long[_threads * passes];
        Thread[] team = [.. Enumerable.Range(0, _threads).Select(index => new Thread(() =>
        {
            for (int pass = 0; pass < passes; pass++)
            {
                barrier.SignalAndWait();
                starts[(pass * _threads) + index] = Stopwatch.GetTimestamp();
                work(index);
                ends[(pass * _threads) + index] = Stopwatch.GetTimestamp();
            }
        }))];
        Array.ForEach(team, static thread => thread.Start());
        Array.ForEach(team, static thread => thread.Join());
        return Enumerable.Range(0, passes)
            .Select(pass => ends.AsSpan(pass * _threads, _threads).ToArray().Max() - starts.AsSpan(pass * _threads, _threads).ToArray().Min())
            .Min() / (double)Stopwatch.Frequency;
    }
}
