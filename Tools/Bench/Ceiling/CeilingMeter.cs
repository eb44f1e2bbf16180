using System.Diagnostics;
using System.Runtime.Intrinsics;
using NativeFfn.Backends.Cpu.Gemm.Assembled;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Ceiling;

/// <summary>Measures what the machine does at most on all threads together, again and again through a run, and takes medians as of all that runs there.</summary>
internal sealed class CeilingMeter : IDisposable
{
    /// <summary>The name of multiply-adds of float32.</summary>
    public const string MultiplyAdd = "multiply-add";

    // A millisecond or two: far longer than threads need to start, and yet short enough to fit between others on a shared machine.
    private const long MultiplyTurns = 400_000;

    // A tenth of a millisecond or so, read again and again where the weights are smaller: long beside the clock's tick.
    private const long LeastPassBytes = 4 * 1024 * 1024;

    // Bytes that all passes over one size may read together, but for a few passes in any case.
    private const long MostPassBytes = 8L << 30;

    private const int FewestPasses = 8;
    private const int MostPasses = 40;

    private readonly int _threads;
    private readonly Dictionary<string, DotProductLoop> _products = [];
    private readonly Dictionary<long, List<double>> _reads = [];
    private readonly Dictionary<string, List<double>> _multiplies = [];

    // Results that nobody needs but the compiler, which would leave out a loop without one.
    private volatile float _sink;

    /// <summary>Nothing was measured yet.</summary>
    /// <param name="threads">Threads to measure with.</param>
    /// <param name="precisions">Those whose instructions are to be measured.</param>
    public CeilingMeter(int threads, IEnumerable<FfnPrecision> precisions)
    {
        _threads = threads;
        foreach (DotProduct product in precisions.Select(ProductOf).OfType<DotProduct>().Distinct())
        {
            _products.Add(DotProducts.NameOf(product), new DotProductLoop(product));
        }
    }

    /// <summary>The instruction that our kernels of a precision multiply with here.</summary>
    public static string InstructionOf(FfnPrecision precision) => ProductOf(precision) is { } product ? DotProducts.NameOf(product) : MultiplyAdd;

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

        foreach ((string name, DotProductLoop loop) in _products)
        {
            Add(_multiplies, name, MostPasses, (double)MultiplyTurns * loop.OperationsPerTurn * _threads, _ => loop.Run(MultiplyTurns));
        }
    }

    /// <summary>Rate of reading as many bytes over and over, as forwards do with their weights.</summary>
    public double BytesPerSecond(long roundBytes) => Times.Median(_reads[roundBytes]);

    /// <summary>Rate of a precision's instruction in registers, a multiply-add counted as two operations.</summary>
    public double OperationsPerSecond(FfnPrecision precision) => Times.Median(_multiplies[InstructionOf(precision)]);

    /// <summary>
    /// The roofline (Williams, Waterman and Patterson 2009): a forward reads its weights once and does its operations, at best both at a time.
    /// </summary>
    /// <param name="precision">The precision.</param>
    /// <param name="roundBytes">Bytes that forwards read before they come back to the same ones.</param>
    /// <param name="readBytes">Bytes of weights that one forward reads.</param>
    /// <param name="operations">Operations of one forward.</param>
    public double RooflineSeconds(FfnPrecision precision, long roundBytes, long readBytes, double operations) =>
        Math.Max(readBytes / BytesPerSecond(roundBytes), operations / OperationsPerSecond(precision));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DotProductLoop loop in _products.Values)
        {
            loop.Dispose();
        }
    }

    private static DotProduct? ProductOf(FfnPrecision precision) =>
        AssembledPanelKernel.ProductOf(TokenTypes.Of(precision)) is { } product && DotProducts.WhyUnused(product) is null ? product : null;

    private unsafe void MeasureWith<TVector>(IEnumerable<long> roundBytes)
        where TVector : struct, IVectorRegister<TVector>
    {
        Add(
            _multiplies,
            MultiplyAdd,
            MostPasses,
            (double)MultiplyTurns * CeilingLoops<TVector>.FlopsPerTurn * _threads,
            _ => _sink = CeilingLoops<TVector>.Multiply(MultiplyTurns));
        foreach (long bytes in roundBytes.Distinct())
        {
            long share = Math.Max(1, bytes / sizeof(float) / _threads / CeilingLoops<TVector>.ReadStep) * CeilingLoops<TVector>.ReadStep;
            using var memory = new AlignedFloats(checked((int)(share * _threads)));
            memory.Span.Fill(1);
            long read = memory.Length * (long)sizeof(float);
            long turns = Math.Max(1, LeastPassBytes / read);
            int passes = (int)Math.Clamp(MostPassBytes / (turns * read), FewestPasses, MostPasses);
            Add(_reads, bytes, passes, turns * read, thread =>
            {
                for (long turn = 0; turn < turns; turn++)
                {
                    _sink = CeilingLoops<TVector>.Read(memory.Pointer + (thread * share), share);
                }
            });
        }
    }

    private void Add<TKey>(Dictionary<TKey, List<double>> rates, TKey key, int passes, double amount, Action<int> work)
        where TKey : notnull
    {
        if (!rates.TryGetValue(key, out List<double>? known))
        {
            rates.Add(key, known = []);
        }

        known.AddRange(Passes(passes, work).Select(seconds => amount / seconds));
    }

    // Seconds of each, from the first thread's start to the last one's end.
    private IEnumerable<double> Passes(int passes, Action<int> work)
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
        return [.. Enumerable.Range(0, passes).Select(pass => Stopwatch.GetElapsedTime(
            starts.AsSpan(pass * _threads, _threads).ToArray().Min(), ends.AsSpan(pass * _threads, _threads).ToArray().Max()).TotalSeconds)];
    }
}
