using NativeFfn.Bindings.Loading;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.OnDevice;

/// <summary>What is found out once and kept: plans, compiled kernels, algorithms and where the decode kernels win.</summary>
public sealed class DevicePlanTests : DeviceTests
{
    private const int Tokens = 20;

    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, 64, 128);

    [Test]
    public void Plans_are_made_once([Values(1, 3, Tokens)] int tokens)
    {
        Start();
        using FfnEngine engine = Open();
        using FfnLayer layer = Layer(engine);
        float[] first = Run(layer, tokens);
        Run(layer, tokens);
        int before = Planning;
        Assert.That(before, Is.GreaterThan(0));
        Assert.That(Run(layer, tokens), Is.EqualTo(first));
        Assert.That(Run(layer, tokens), Is.EqualTo(first));
        Assert.That(Planning, Is.EqualTo(before), "calls that plan");
        Run(layer, tokens + 1);
        Assert.That(Planning, Is.GreaterThan(before));
    }

    [TestCase(1, 1, 8)]
    [TestCase(9, 9, 0)]
    [TestCase(1, 9, 2)]
    public void The_decode_kernels_run_what_they_run_faster(double fewCost, double manyCost, int most)
    {
        Start(Ada with { Milliseconds = launch => Cost(launch, fewCost, manyCost) });
        using FfnEngine engine = Open(decodeTokens: null);
        using FfnLayer layer = Layer(engine);
        for (int tokens = 1; tokens <= 9; tokens++)
        {
            Assert.That(IsDecoded(layer, tokens), Is.EqualTo(tokens <= most), $"{tokens} tokens");
        }
    }

    [Test]
    public void What_was_measured_is_kept_for_later_engines_and_other_layers_are_measured_too()
    {
        Start(Ada with { Milliseconds = static launch => Cost(launch, 1, 9) });
        using (FfnEngine engine = Open(decodeTokens: null))
        using (FfnLayer first = Layer(engine))
        {
            Device.ClearLaunches();
            using FfnLayer second = Layer(engine);
            Assert.That(Kernels, Is.Zero, "launches for a second layer of the shape");
        }

        Device.ClearLaunches();
        using FfnEngine later = Open(decodeTokens: null);
        using FfnLayer layer = Layer(later);
        Assert.That(Kernels, Is.Zero, "launches for a later engine's layer");
        Assert.That(IsDecoded(layer, 2), Is.True);
        Assert.That(IsDecoded(layer, 3), Is.False);
        Device.ClearLaunches();
        var biased = FfnSpec.Create(FfnKind.SwiGlu, 64, 128, bias: true);
        using FfnLayer other = later.CreateLayer(biased, RandomLayers.Gaussian(biased, 35_002));
        Assert.That(Kernels, Is.GreaterThan(0), "launches for another layer");
    }

    [TestCase("nonsense")]
    [TestCase("-1")]
    [TestCase("99999999999999999999")]
    [TestCase("1000000")]
    public void A_measurement_that_is_none_does_no_harm(string value)
    {
        Start(Ada with { Milliseconds = static launch => Cost(launch, 1, 1) });
        using (FfnEngine engine = Open(decodeTokens: null))
        {
            Layer(engine).Dispose();
        }

        string file = Directory.GetFiles(Path.Combine(Cache, "decode")).Single();
        string[] lines = File.ReadAllLines(file);
        File.WriteAllLines(file, [lines[0], .. lines.Skip(1).Select(line => $"{line.Split(' ')[0]} {value}")]);
        using FfnEngine later = Open(decodeTokens: null);
        using FfnLayer layer = Layer(later);
        Assert.That(IsDecoded(layer, 8), Is.True, "8 is measured, and the most there is");
        AssertRight(layer, 8);
        AssertRight(layer, 9);
    }

    [Test]
    public void Kernels_are_compiled_once_for_a_device_and_precision()
    {
        Start();
        Open().Dispose();
        Assert.That(Compilations, Is.EqualTo(1));
        Open().Dispose();
        Assert.That(Compilations, Is.EqualTo(1));
        Open(FfnPrecision.Tf32).Dispose();
        Assert.That(Compilations, Is.EqualTo(1), "the kernels of tf32 are those of f32");
        Open(FfnPrecision.BFloat16).Dispose();
        Assert.That(Compilations, Is.EqualTo(2));
        Assert.That(Directory.GetFiles(Path.Combine(Cache, "cubins")).Select(Path.GetExtension), Is.EqualTo((string[])[".cubin", ".cubin"]));
    }

    [Test]
    public void Kernels_that_were_spoilt_are_compiled_anew([Values("cut", "empty", "changed", "another's", "a folder")] string how)
    {
        Start();
        Open().Dispose();
        string file = Directory.GetFiles(Path.Combine(Cache, "cubins")).Single();
        byte[] kept = File.ReadAllBytes(file);
        byte[] image = kept[32..];
        image[7]++;
        File.Delete(file);
        switch (how)
        {
            case "a folder":
                Directory.CreateDirectory(file);
                break;
            case "another's":
                // Whole, and still nothing that this driver takes.
                File.WriteAllBytes(file, [.. System.Security.Cryptography.SHA256.HashData(image), .. image]);
                break;
            default:
                File.WriteAllBytes(file, how == "cut" ? kept[..^1] : how == "empty" ? [] : [.. kept[..32], .. image]);
                break;
        }

        using (FfnEngine engine = Open())
        using (FfnLayer layer = Layer(engine))
        {
            Assert.That(Compilations, Is.EqualTo(2));
            AssertRight(layer, Tokens);
        }

        Open().Dispose();
        Assert.That(Compilations, Is.EqualTo(how == "a folder" ? 3 : 2), "what can be kept is kept");
        Assert.That(Directory.GetFileSystemEntries(Path.Combine(Cache, "cubins")), Is.EqualTo((string[])[file]));
    }

    [Test]
    public void A_cache_that_cannot_be_written_does_no_harm()
    {
        Start();
        string file = Path.Combine(Cache, "file");
        File.WriteAllText(file, "no folder");
        Environment.SetEnvironmentVariable(UserCache.Variable, Path.Combine(file, "cache"));
        using FfnEngine engine = Open(decodeTokens: null);
        using FfnLayer layer = Layer(engine);
        AssertRight(layer, 1);
        AssertRight(layer, Tokens);
    }

    [Test]
    public void The_algorithm_that_won_is_used_and_kept([Range(0, 4)] int fastest)
    {
        Start(Ada with { Milliseconds = launch => launch.Matmul is { } product ? (product.Algorithm == fastest ? 1 : 2) : 0.1 });
        using (FfnEngine engine = Tuning())
        using (FfnLayer layer = Layer(engine))
        {
            Assert.That(AlgorithmOf(layer), Is.Zero, "what cuBLASLt proposes first");
            layer.Warmup(Tokens);
            Assert.That(AlgorithmOf(layer), Is.EqualTo(fastest));
            AssertRight(layer, Tokens);
            AssertRight(layer, Tokens + 1);
        }

        using FfnEngine plain = Open();
        using FfnLayer its = Layer(plain);
        Assert.That(AlgorithmOf(its), Is.EqualTo(fastest), "what is kept serves engines that do not measure");
        using FfnEngine again = Tuning();
        using FfnLayer known = Layer(again);
        Device.ClearLaunches();
        known.Warmup(Tokens);
        Assert.That(
            Device.Launches.Where(static launch => launch.Matmul is not null).Select(static launch => launch.Matmul!.Algorithm),
            Is.All.EqualTo(fastest), "what is known is not measured again");
    }

    [Test]
    public void What_was_recorded_before_is_recorded_anew_with_the_algorithm_that_won()
    {
        Start(Ada with { Milliseconds = static launch => launch.Matmul is { Algorithm: 3 } ? 1 : 2 });
        using FfnEngine engine = Tuning();
        using FfnLayer layer = Layer(engine);
        using FfnLayer twin = Layer(engine);
        Assert.That((Replayed(layer), Replayed(twin)), Is.EqualTo((0, 0)));
        layer.Warmup(1);
        twin.Warmup(1);
        Assert.That((Replayed(layer), Replayed(twin)), Is.EqualTo((3, 3)), "a layer of the same shape runs the same");
        AssertRight(layer, 1);

        int Replayed(FfnLayer run)
        {
            Run(run, 1);
            Run(run, 1);
            Device.ClearLaunches();
            Run(run, 1);
            return Device.Launches.Single().Nodes.First(static node => node.Matmul is not null).Matmul!.Algorithm;
        }
    }

    [Test]
    public void A_slightly_faster_algorithm_is_noise()
    {
        Start(Ada with { Milliseconds = static launch => launch.Matmul is { Algorithm: 0 } ? 1.01 : 1 });
        using FfnEngine engine = Tuning();
        using FfnLayer layer = Layer(engine);
        layer.Warmup(Tokens);
        Assert.That(AlgorithmOf(layer), Is.Zero);
    }

    [Test]
    public void Algorithms_are_measured_only_where_that_is_asked_for()
    {
        Start(Ada with { Milliseconds = static launch => launch.Matmul is { Algorithm: 3 } ? 1 : 2 });
        using FfnEngine engine = Open();
        using FfnLayer layer = Layer(engine);
        layer.Warmup(1, Tokens);
        Assert.That(AlgorithmOf(layer), Is.Zero);
        Assert.That(Directory.Exists(Path.Combine(Cache, "algorithms")), Is.False);
    }

    [TestCase("nonsense")]
    [TestCase("00")]
    [TestCase("zeros")]
    [TestCase("other")]
    public void An_algorithm_that_is_none_does_no_harm(string value)
    {
        Start(Ada with { Milliseconds = static launch => launch.Matmul is { Algorithm: 3 } ? 1 : 2 });
        using (FfnEngine engine = Tuning())
        using (FfnLayer layer = Layer(engine))
        {
            layer.Warmup(Tokens);
        }

        string file = Directory.GetFiles(Path.Combine(Cache, "algorithms")).Single();
        string[] lines = File.ReadAllLines(file);
        File.WriteAllLines(file, [lines[0], .. lines.Skip(1).Select(line => $"{line.Split(' ')[0]} {Spoilt(line.Split(' ')[1], value)}")]);
        using FfnEngine later = Tuning();
        using FfnLayer its = Layer(later);
        Assert.That(AlgorithmOf(its), Is.Zero);
        AssertRight(its, Tokens);
        its.Warmup(Tokens);
        Assert.That(AlgorithmOf(its), Is.EqualTo(3), "what serves no more is measured anew");
    }

    // A device with larger workspaces keeps what is of no use here; cuBLASLt itself accepts it.
    [Test]
    public void A_kept_algorithm_that_needs_more_workspace_than_there_is_is_not_used()
    {
        const int ManyTokens = 1100;
        const int Splitting = 3;
        SoftwareDeviceOptions small = Ada with { Milliseconds = static launch => launch.Matmul is { Algorithm: Splitting } ? 1 : 2 };
        string[] kept;
        using (SoftwareDevice large = SoftwareDevice.Start(small with { Major = 9, Minor = 0 }))
        {
            kept = Tuned(ManyTokens);
            large.AssertClean();
        }

        string file = Directory.GetFiles(Path.Combine(Cache, "algorithms")).Single();
        File.Delete(file);
        Start(small);
        string heading = Tuned(Tokens)[0];
        file = Directory.GetFiles(Path.Combine(Cache, "algorithms")).Single();
        File.WriteAllLines(file, [heading, .. kept.Skip(1)]);
        using FfnEngine engine = Open();
        using FfnLayer layer = Layer(engine);
        Device.ClearLaunches();
        AssertRight(layer, ManyTokens);
        Assert.That(
            Device.Launches.First(static launch => launch.Matmul is not null).Matmul!.Algorithm, Is.Zero, "what cuBLASLt proposes first");

        string[] Tuned(int tokens)
        {
            using FfnEngine tuning = Tuning();
            using FfnLayer tuned = Layer(tuning);
            tuned.Warmup(tokens);
            return File.ReadAllLines(Directory.GetFiles(Path.Combine(Cache, "algorithms")).Single());
        }
    }

    // Another thread may be about to run it.
    [Test]
    public void A_plan_that_was_replaced_stays_until_its_layer_goes()
    {
        Start(Ada with { Milliseconds = static launch => launch.Matmul is { Algorithm: 3 } ? 1 : 2 });
        using FfnEngine engine = Tuning();
        using (FfnLayer layer = Layer(engine))
        {
            Assert.That(AlgorithmOf(layer), Is.Zero);
            object[] plans = Plans();
            layer.Warmup(Tokens);
            Assert.That(AlgorithmOf(layer), Is.EqualTo(3));
            Assert.That(plans, Is.Not.Empty.And.SubsetOf(Plans()));
        }

        Assert.That(Plans(), Is.Empty);

        object[] Plans() => [.. Device.Handles.Live.OfType<MatmulDescriptor>()];
    }

    private static string Spoilt(string kept, string value) => value switch
    {
        "zeros" => new string('0', kept.Length),
        "other" => $"FF{kept[2..]}",
        _ => value,
    };

    private int Planning => ((string[])
        ["cublasLtMatmulAlgoGetHeuristic", "cublasLtMatmulAlgoCheck", "cublasLtMatmulDescCreate", "cublasLtMatrixLayoutCreate"])
        .Sum(Device.Failures.CallsOf);

    private int Compilations => Device.Failures.CallsOf("nvrtcCompileProgram");

    private int Kernels => Device.Launches.Count(static launch => launch.Kind is LaunchKind.Kernel or LaunchKind.Matmul);

    // The decode kernels cost this for up to two tokens and for more; a product costs 2.
    private static double Cost(Launch launch, double few, double many) =>
        launch.Matmul is not null ? 2
        : !launch.Name.StartsWith("vector_", StringComparison.Ordinal) ? 0
        : launch.Name.EndsWith("_1", StringComparison.Ordinal) || launch.Name.EndsWith("_2", StringComparison.Ordinal) ? few : many;

    private static FfnEngine Tuning() => FfnEngine.Create(Options() with { Autotune = true });

    private static FfnLayer Layer(FfnEngine engine) => engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 35_000));

    private static float[] Run(FfnLayer layer, int tokens) => EngineTests.Forward(layer, FfnMode.Ffn, RandomLayers.Rows(tokens, 64, 35_001));

    private static void AssertRight(FfnLayer layer, int tokens)
    {
        float[] input = RandomLayers.Rows(tokens, 64, 35_001);
        Tolerances.AssertClose(
            EngineTests.Forward(layer, FfnMode.Ffn, input), Oracle.Run(Spec, RandomLayers.Gaussian(Spec, 35_000), FfnMode.Ffn, input).Output,
            Tolerances.Of(Spec), $"{tokens} tokens");
    }

    private bool IsDecoded(FfnLayer layer, int tokens)
    {
        Device.ClearLaunches();
        Run(layer, tokens);
        return Device.Launches.Any(static launch => launch.Name.StartsWith("vector_", StringComparison.Ordinal));
    }

    private int AlgorithmOf(FfnLayer layer)
    {
        Device.ClearLaunches();
        Run(layer, Tokens);
        return Device.Launches.First(static launch => launch.Matmul is not null).Matmul!.Algorithm;
    }
}
