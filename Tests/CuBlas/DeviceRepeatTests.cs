using NativeFfn.Tests.Parity;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.OnDevice;

/// <summary>The same rows give the same bits, whenever the device runs them, and the times of a forward's steps are all of its time.</summary>
public sealed class DeviceRepeatTests : DeviceTests
{
    private const int Runs = 4;

    private static readonly FfnPrecision[] Precisions =
        [FfnPrecision.Float32, FfnPrecision.Tf32, FfnPrecision.BFloat16, FfnPrecision.Float16, FfnPrecision.Float8];

    private static readonly NormSpec Rms = new(NormKind.Rms, 1e-5f);

    private static readonly ParityCase[] Cases =
    [
        new(FfnSpec.Create(FfnKind.SwiGlu, 33, 70, bias: true).WithNorms(Rms, Rms), 1, FfnMode.Block, 37_000),
        new(FfnSpec.Create(FfnKind.GeluTanh, 64, 100, bias: true), 7, FfnMode.Residual, 37_010),
        new(FfnSpec.Create(FfnKind.Silu, 17, 31), 40, FfnMode.Ffn, 37_020),
        new(FfnSpec.Stack(new FfnStage(FfnKind.SwiGlu, 20, 31, true), new FfnStage(FfnKind.Silu, 31, 20, true)), 12, FfnMode.Residual, 37_030),
    ];

    [Test]
    public void The_same_rows_give_the_same_bits_at_once_and_later(
        [ValueSource(nameof(Precisions))] FfnPrecision precision, [Values(0, 8)] int decodeTokens)
    {
        float[][] atOnce = RunAll(precision, decodeTokens, runsAtOnce: true);
        float[][] later = RunAll(precision, decodeTokens, runsAtOnce: false);
        Assert.That(later, Is.EqualTo(atOnce));
    }

    [Test]
    public void A_chain_is_its_layers_one_by_one([Values] FfnMode mode, [Values(1, 9, 40)] int tokens, [Values(0, 8)] int decodeTokens)
    {
        Start();
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 33, 70, bias: true).WithNorms(Rms, Rms);
        FfnSpec wider = FfnSpec.Create(FfnKind.GeluTanh, 33, 200).WithNorms(Rms);
        using FfnEngine engine = Open(FfnPrecision.BFloat16, decodeTokens);
        using FfnLayer first = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 37_040));
        using FfnLayer second = engine.CreateLayer(wider, RandomLayers.Gaussian(wider, 37_041));
        float[] input = RandomLayers.Rows(tokens, 33, 37_042);
        float[] expected = EngineTests.Forward(first, mode, EngineTests.Forward(second, mode, EngineTests.Forward(first, mode, input)));
        Device.ClearLaunches();
        FfnChain chain = engine.CreateChain(first, second, first);
        for (int run = 0; run < Runs; run++)
        {
            float[] output = run % 2 == 0 ? new float[input.Length] : [.. input];
            chain.Forward(mode, run % 2 == 0 ? input : output, output);
            Assert.That(output, Is.EqualTo(expected));
        }

        Assert.That(
            Device.Launches.Count(static launch => launch.Kind is LaunchKind.CopyToDevice or LaunchKind.CopyToHost), Is.EqualTo(2 * Runs),
            "one copy there and one back, whatever lies between");
    }

    [Test]
    public void The_steps_of_a_profile_add_up_to_the_devices_time()
    {
        // Milliseconds: a copy 1, a product 10, an activation 3, a norm 5, what ends a forward 7.
        Start(new SoftwareDeviceOptions
        {
            Milliseconds = static launch => launch.Kind switch
            {
                LaunchKind.Matmul => 10,
                LaunchKind.CopyToDevice or LaunchKind.CopyToHost => 1,
                _ => launch.Name switch { "activate_operand" => 3, "prepare_operand" => 5, "finish" => 7, _ => 100 },
            },
        });
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 33, 70, bias: true).WithNorms(Rms, Rms);
        using FfnEngine engine = Open();
        using FfnLayer layer = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 37_050));
        float[] input = RandomLayers.Rows(40, 33, 37_051);
        var profile = new FfnProfile();
        for (int run = 1; run <= 2; run++)
        {
            layer.Inspect(FfnMode.Block, input, new float[input.Length], profile: profile);
            AssertMilliseconds(profile.ThreadTime, run * (1 + 5 + 10 + 3 + 10 + 7 + 1), "all");
            AssertMilliseconds(profile.TimeIn(FfnStep.Gemm), run * 20, "products");
            AssertMilliseconds(profile.TimeIn(FfnStep.Activation), run * 3, "activations");
            AssertMilliseconds(profile.TimeIn(FfnStep.Norm), run * (5 + 7), "norms");
            AssertMilliseconds(profile.TimeIn(FfnStep.Residual), 0, "residuals");
        }

        Assert.That(profile.Elapsed, Is.GreaterThan(TimeSpan.Zero));
    }

    private static void AssertMilliseconds(TimeSpan time, double expected, string what) =>
        Assert.That(time.TotalMilliseconds, Is.EqualTo(expected).Within(0.01), what);

    private static float[][] RunAll(FfnPrecision precision, int decodeTokens, bool runsAtOnce)
    {
        using SoftwareDevice device = SoftwareDevice.Start();
        device.RunsAtOnce = runsAtOnce;
        var results = new List<float[]>();
        using (FfnEngine engine = Open(precision, decodeTokens))
        {
            foreach (ParityCase found in Cases)
            {
                using FfnLayer layer = engine.CreateLayer(found.Spec, found.Weights);
                float[] first = EngineTests.Forward(layer, found.Mode, found.Input(), found.Residual());
                for (int run = 1; run < Runs; run++)
                {
                    Assert.That(EngineTests.Forward(layer, found.Mode, found.Input(), found.Residual()), Is.EqualTo(first), found.ToString());
                }

                results.Add(first);
            }
        }

        device.AssertClean();
        return [.. results];
    }
}
