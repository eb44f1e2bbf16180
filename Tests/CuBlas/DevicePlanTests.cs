using NativeFfn.Backends.CuBlas;
using NativeFfn.Backends.CuBlas.Products;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;
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
        Start(new SoftwareDeviceOptions { Milliseconds = launch => Cost(launch, fewCost, manyCost) });
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
        Start(new SoftwareDeviceOptions { Milliseconds = static launch => Cost(launch, 1, 9) });
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
        Start(new SoftwareDeviceOptions { Milliseconds = static launch => Cost(launch, 1, 1) });
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
        Start(new SoftwareDeviceOptions { Milliseconds = launch => launch.Matmul is { } product ? (product.Algorithm == fastest ? 1 : 2) : 0.1 });
        using (FfnEngine engine = Open())
        using (FfnLayer layer = Layer(engine))
        {
            Run(layer, Tokens);
            Assert.That(AlgorithmOf(layer), Is.Zero, "what cuBLASLt proposes first");
            Tune(layer);
            Assert.That(AlgorithmOf(layer), Is.EqualTo(fastest));
            AssertRight(layer, Tokens);
        }

        using FfnEngine later = Open();
        using FfnLayer its = Layer(later);
        Assert.That(AlgorithmOf(its), Is.EqualTo(fastest));
        Device.ClearLaunches();
        Tune(its);
        Assert.That(Kernels, Is.Zero, "what is known is not measured again");
    }

    [TestCase("nonsense")]
    [TestCase("00")]
    [TestCase("zeros")]
    [TestCase("other")]
    public void An_algorithm_that_is_none_does_no_harm(string value)
    {
        Start(new SoftwareDeviceOptions { Milliseconds = static launch => launch.Matmul is { Algorithm: 3 } ? 1 : 2 });
        using (FfnEngine engine = Open())
        using (FfnLayer layer = Layer(engine))
        {
            Tune(layer);
        }

        string file = Directory.GetFiles(Path.Combine(Cache, "algorithms")).Single();
        string[] lines = File.ReadAllLines(file);
        File.WriteAllLines(file, [lines[0], .. lines.Skip(1).Select(line => $"{line.Split(' ')[0]} {Spoilt(line.Split(' ')[1], value)}")]);
        using FfnEngine later = Open();
        using FfnLayer its = Layer(later);
        Assert.That(AlgorithmOf(its), Is.Zero);
        AssertRight(its, Tokens);
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

    // The first stage's product, on memory of its own.
    private static void Tune(FfnLayer layer)
    {
        var prepared = (CuBlasPrepared)layer.Prepared;
        DeviceNetwork network = ((NetworkLayer)prepared.Layer).Network;
        DeviceStage stage = network.Weights.Stages[0];
        DeviceLane lane = prepared.Backend.TakeLane();
        using (lane.Context.Enter())
        {
            using DeviceMemory input = lane.Context.Allocate((long)Tokens * stage.Columns * sizeof(float));
            using DeviceMemory output = lane.Context.Allocate((long)Tokens * stage.Rows * sizeof(float));
            lane.Stream.Fill(input.Region, 0);
            network.Plans.Tune(
                lane, new ProductKey(0, Tokens, ProductUse.Hidden, stage.Columns, stage.Rows, 0, DeviceLayout.Alignment),
                plan => plan.Product.Run(
                    lane.Library, plan.Algorithm, stage.Weights, input.Region, default, output.Region, lane.Workspace, lane.Stream));
            lane.Stream.Synchronize();
        }

        prepared.Backend.ReturnLane(lane);
    }
}
