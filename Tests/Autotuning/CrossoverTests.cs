using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Cpu.Gemm.Autotuning;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Encodings;
using NativeFfn.Bindings.Loading;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Autotuning;

/// <summary>The choice between products, by products whose speed is known.</summary>
[NonParallelizable]
public sealed class CrossoverTests
{
    private static readonly FfnStage Stage = new(FfnKind.Relu, 64, 96, HasBias: false);

    private string _cache = null!;
    private string? _before;

    [SetUp]
    public void UseAnEmptyCache()
    {
        _cache = Directory.CreateTempSubdirectory("nativeffn-cache").FullName;
        _before = Environment.GetEnvironmentVariable(UserCache.Variable);
        Environment.SetEnvironmentVariable(UserCache.Variable, _cache);
    }

    [TearDown]
    public void RestoreTheCache()
    {
        Environment.SetEnvironmentVariable(UserCache.Variable, _before);
        Directory.Delete(_cache, recursive: true);
    }

    [Test]
    public void The_faster_product_is_chosen_up_to_where_it_is_faster() =>
        Assert.That(new TimedTrial(static _ => 1000, static m => 25 * m).CrossoverFor("key"), Is.EqualTo(32));

    [Test]
    public void A_product_that_always_wins_is_chosen_for_all_tokens_and_one_that_never_does_for_none() => Assert.Multiple(() =>
    {
        Assert.That(new TimedTrial(static _ => 1000, static _ => 10).CrossoverFor("always"), Is.EqualTo(Crossover.MostTokens));
        Assert.That(new TimedTrial(static _ => 10, static _ => 1000).CrossoverFor("never"), Is.Zero);
    });

    [Test]
    public void A_measurement_is_kept_for_the_same_machine_and_library_and_for_no_other()
    {
        var trial = new TimedTrial(static _ => 1000, static _ => 10);
        int measured = trial.CrossoverFor("key");
        int calls = trial.Calls;
        int again = trial.CrossoverFor("key");
        Assert.Multiple(() =>
        {
            Assert.That(again, Is.EqualTo(measured));
            Assert.That(trial.Calls, Is.EqualTo(calls));
        });
        _ = trial.CrossoverFor("another");
        Assert.That(trial.Calls, Is.GreaterThan(calls));
    }

    [Test]
    public void The_real_trial_multiplies_both_ways_in_every_precision([CpuPrecisions] FfnPrecision precision)
    {
        int calls = 0;
        using var trial = new GemmTrial(Stage, PanelKernel.Of(WeightEncodings.Of(precision)!), new CountingProduct(() => calls++));
        foreach (int tokens in (int[])[1, 12, 13, Crossover.MostTokens])
        {
            trial.RunPanels(tokens);
            trial.RunLibrary(tokens);
        }

        Assert.That(calls, Is.EqualTo(4));
    }

    [TestCase("")]
    [TestCase("# key\n64 96\n")]
    [TestCase("# key\n64 96 -4\n")]
    [TestCase("# key\n64 96 99999999999\n")]
    [TestCase("# somebody else's\n64 96 7\n")]
    [TestCase("\0\u0001\u0002")]
    public void A_file_that_makes_no_sense_is_measured_again(string content)
    {
        new CrossoverFile("key").Add(1, 1, 1);
        File.WriteAllText(Directory.GetFiles(_cache, "*.txt", SearchOption.AllDirectories).Single(), content);
        Assert.That(new CrossoverFile("key").Read(64, 96), Is.Null);
    }

    [Test]
    public void What_was_added_is_read()
    {
        var file = new CrossoverFile("key");
        file.Add(64, 96, 7);
        file.Add(96, 64, 8);
        Assert.Multiple(() =>
        {
            Assert.That(file.Read(64, 96), Is.EqualTo(7));
            Assert.That(file.Read(96, 64), Is.EqualTo(8));
            Assert.That(file.Read(96, 65), Is.Null);
        });
    }

    [Test]
    public void A_cache_that_cannot_be_written_is_no_error()
    {
        string file = Path.Combine(_cache, "a-file");
        File.WriteAllText(file, string.Empty);
        Environment.SetEnvironmentVariable(UserCache.Variable, file);
        Assert.DoesNotThrow(() => new CrossoverFile("key").Add(1, 2, 3));
        Assert.That(new CrossoverFile("key").Read(1, 2), Is.Null);
    }

    /// <summary>Spins for as many microseconds as it is told to for m tokens.</summary>
    private sealed class TimedTrial(Func<int, int> library, Func<int, int> panels) : IGemmTrial
    {
        public int Calls { get; private set; }

        public int CrossoverFor(string key) => new Crossover(_ => this, key).Of(Stage);

        public void RunPanels(int tokens) => Spin(panels(tokens));

        public void RunLibrary(int tokens) => Spin(library(tokens));

        public void Dispose()
        {
        }

        private void Spin(int microseconds)
        {
            Calls++;
            long start = System.Diagnostics.Stopwatch.GetTimestamp();
            while (System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMicroseconds < microseconds)
            {
            }
        }
    }

    private sealed unsafe class CountingProduct(Action called) : IMatrixProduct
    {
        public void Multiply(
            int m, int n, int k, float* a, long lda, float* b, long ldb, bool transposed, float* c, long ldc, bool accumulate) => called();
    }
}
