using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Mixtures;

/// <summary>Experts beyond a bound, read by other threads while those that are in memory run.</summary>
public class ReadAheadTests
{
    private const int Experts = 8;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, 40, 72).WithExperts(new MixtureSpec(Experts, 2));

    [Test]
    public void Experts_are_read_at_once_where_there_are_threads()
    {
        using var both = new Barrier(2);
        var source = new ExpertSource();
        using FfnEngine engine = Bounded(2, 4);
        using FfnLayer layer = engine.CreateLayer(Spec, source);
        source.Reading = (_, isFirst) =>
        {
            if (isFirst)
            {
                Assert.That(both.SignalAndWait(Patience), Is.True, "the other expert of the token is read meanwhile");
            }
        };
        Forward(layer, 1);
        Assert.That(source.Threads, Has.Count.EqualTo(2));
    }

    [Test]
    public void One_thread_reads_alone()
    {
        var source = new ExpertSource();
        using FfnEngine engine = Bounded(1, 4);
        using FfnLayer layer = engine.CreateLayer(Spec, source);
        Forward(layer, 64);
        Assert.That(source.Threads, Is.EqualTo((int[])[Environment.CurrentManagedThreadId]));
    }

    [Test]
    public void What_is_in_memory_runs_before_others_take_its_place([Values(1, 2, 3)] int threads, [Values(1, 2, 5)] int resident)
    {
        var source = new ExpertSource();
        using FfnEngine engine = Bounded(threads, resident);
        using FfnLayer layer = engine.CreateLayer(Spec, source);
        Forward(layer, 200);
        Assert.That(source.Takes, Is.EqualTo(Experts), "each once");
        for (int turn = 0; turn < 3; turn++)
        {
            source.Takes = 0;
            Forward(layer, 200);
            Assert.That(source.Takes, Is.EqualTo(Experts - resident));
        }
    }

    [Test]
    public void What_cannot_be_read_ahead_is_read_by_who_needs_it()
    {
        int caller = Environment.CurrentManagedThreadId;
        var source = new ExpertSource
        {
            Reading = (_, _) =>
            {
                if (Environment.CurrentManagedThreadId != caller)
                {
                    throw new IOException("No other thread may read.");
                }
            },
        };
        using FfnEngine engine = Bounded(3, 4);
        using FfnLayer layer = engine.CreateLayer(Spec, source);
        using FfnEngine free = Bounded(1, Experts);
        using FfnLayer whole = free.CreateLayer(Spec, source.Weights);
        Assert.That(Forward(layer, 64), Is.EqualTo(Forward(whole, 64)));
    }

    // Who disposes the layer, and then what it reads from, relies on that.
    [Test]
    public void A_forward_that_fails_returns_after_its_reads()
    {
        using var failed = new ManualResetEventSlim();
        using var other = new ManualResetEventSlim();
        int caller = Environment.CurrentManagedThreadId;
        int reads = 0;
        var source = new ExpertSource();
        using FfnEngine engine = Bounded(2, 4);
        using FfnLayer layer = engine.CreateLayer(Spec, source);
        source.Reading = (_, _) =>
        {
            if (Environment.CurrentManagedThreadId == caller)
            {
                other.Wait(Patience);
                failed.Set();
                throw new IOException("The disk is gone.");
            }

            Interlocked.Increment(ref reads);
            other.Set();
            failed.Wait(Patience);

            // As long as a forward that does not wait would take to return.
            Thread.Sleep(50);
            Interlocked.Decrement(ref reads);
        };
        Assert.That(() => Forward(layer, 200), Throws.TypeOf<IOException>());
        Assert.That(Volatile.Read(ref reads), Is.Zero);
    }

    private static float[] Forward(FfnLayer layer, int tokens)
    {
        float[] rows = RandomLayers.Rows(tokens, Spec.DModel, 830);
        float[] output = new float[rows.Length];
        layer.Forward(rows, output);
        return output;
    }

    private static FfnEngine Bounded(int threads, int experts) =>
        FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed, Threads = threads, MaxResidentExperts = experts });

    /// <summary>Notes how often experts are read, and by which threads.</summary>
    private sealed class ExpertSource : IFfnWeightSource
    {
        private readonly Lock _lock = new();
        private readonly HashSet<int> _threads = [];
        private readonly HashSet<int> _experts = [];

        public FfnMemoryWeights Weights { get; } = RandomLayers.Gaussian(Spec, 831);

        /// <summary>Called before a read with the expert, and whether it is the first of it.</summary>
        public Action<int, bool>? Reading { get; set; }

        /// <summary>How often an expert's first row was read.</summary>
        public int Takes { get; set; }

        public IReadOnlyCollection<int> Threads => _threads;

        public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination)
        {
            if (tensor.Expert >= 0)
            {
                bool isFirst;
                lock (_lock)
                {
                    _threads.Add(Environment.CurrentManagedThreadId);
                    isFirst = _experts.Add(tensor.Expert);
                    Takes += tensor is { Role: FfnTensorRole.Weight, Stage: 1 } && firstRow == 0 ? 1 : 0;
                }

                Reading?.Invoke(tensor.Expert, isFirst);
            }

            Weights.ReadRows(tensor, firstRow, destination);
        }
    }
}
