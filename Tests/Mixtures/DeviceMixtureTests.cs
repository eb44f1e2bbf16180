using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Mixtures;

/// <summary>Mixtures on a GPU's rows, in chains and in every precision, on the software device; and what is left where calls fail.</summary>
[NonParallelizable]
[Category(nameof(SoftwareDevice))]
public sealed class DeviceMixtureTests
{
    // CUDA_ERROR_OUT_OF_MEMORY, CUDA_ERROR_INVALID_VALUE and CUDA_ERROR_LAUNCH_FAILED, after which the context is gone.
    private static readonly int[] Statuses = [CudaResult.OutOfMemory, CudaResult.InvalidValue, CudaResult.LaunchFailed];

    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, 32, 24).WithNorms(new NormSpec(NormKind.Rms, 1e-5f))
        .WithExperts(new MixtureSpec(4, 2) { SharedDFf = 20, HasSharedGate = true, HasSelectionBias = true });

    private static readonly FfnSpec Odd = FfnSpec.Create(FfnKind.Gelu, 21, 24, bias: true).WithNorms(new NormSpec(NormKind.Layer, 1e-5f))
        .WithExperts(new MixtureSpec(3, 1));

    [Test]
    public void The_devices_rows_give_the_hosts_bits([Values] FfnMode mode, [Values(1, 3, 40)] int tokens, [Values] bool odd, [Values(0, 1)] int more)
    {
        FfnSpec spec = odd ? Odd : Spec;
        Run(FfnPrecision.Float32, (device, engine) =>
        {
            using FfnLayer layer = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 900));
            float[] input = RandomLayers.Rows(tokens, spec.DModel, 901);
            float[] residual = RandomLayers.Rows(tokens, spec.DModel, 902);
            float[] expected = EngineTests.Forward(layer, mode, input, residual);
            using FfnDeviceStream stream = engine.CreateDeviceStream();
            var foreign = new ForeignCuda(device) { InPrimaryContext = true };
            FfnDeviceRows rows = OnDevice(foreign, input, spec.DModel, more);
            FfnDeviceRows added = OnDevice(foreign, residual, spec.DModel, more);
            FfnDeviceRows output = OnDevice(foreign, new float[input.Length], spec.DModel, 2 * more);

            // Twice without a wait between them: the second may not take from the first what it still reads.
            Forward(layer, stream, mode, rows, added, output);
            Forward(layer, stream, mode, rows, added, rows);
            stream.Synchronize();
            Assert.That(FromDevice(foreign, output, spec.DModel), Is.EqualTo(expected));
            Assert.That(FromDevice(foreign, rows, spec.DModel), Is.EqualTo(expected), "in place");
        });
    }

    [Test]
    public void A_token_of_the_devices_that_cannot_be_routed_stops_all_and_nothing_is_written() => Run(FfnPrecision.Float32, static (device, engine) =>
    {
        using FfnLayer layer = engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 903));
        float[] input = RandomLayers.Rows(5, Spec.DModel, 904);
        input[(3 * Spec.DModel) + 1] = float.NaN;
        using FfnDeviceStream stream = engine.CreateDeviceStream();
        var foreign = new ForeignCuda(device) { InPrimaryContext = true };
        FfnDeviceRows rows = OnDevice(foreign, input, Spec.DModel, 0);
        Assert.That(() => layer.ForwardBlock(stream, rows, rows), Throws.ArgumentException.With.Message.Contains("Token 3"));
        stream.Synchronize();
        Assert.That(FromDevice(foreign, rows, Spec.DModel), Is.EqualTo(input));
    });

    [Test]
    public void Many_of_the_devices_tokens_are_what_few_are() => Run(FfnPrecision.Float32, static (device, engine) =>
    {
        // More than are run at a time, for whose tables there is one place.
        const int Tokens = 20_000;
        FfnSpec spec = FfnSpec.Create(FfnKind.Relu, 4, 4).WithExperts(new MixtureSpec(3, 2));
        using FfnLayer layer = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 905));
        float[] input = RandomLayers.Rows(Tokens, spec.DModel, 906);
        using FfnDeviceStream stream = engine.CreateDeviceStream();
        var foreign = new ForeignCuda(device) { InPrimaryContext = true };
        FfnDeviceRows rows = OnDevice(foreign, input, spec.DModel, 0);
        FfnDeviceRows output = OnDevice(foreign, new float[input.Length], spec.DModel, 0);
        layer.ForwardResidual(stream, rows, rows, output);
        stream.Synchronize();
        float[] all = FromDevice(foreign, output, spec.DModel);
        foreach (int first in (int[])[0, 8_000, 19_900])
        {
            float[] part = EngineTests.Forward(layer, FfnMode.Residual, input[(first * 4)..((first + 100) * 4)]);
            Tolerances.AssertClose(all.AsSpan(first * 4, 400), Estimate.Exact(part), Tolerances.Golden, $"tokens from {first}");
        }
    });

    [Test]
    public void A_chain_is_its_layers_one_after_the_other([Values] FfnMode mode, [Values(1, 40)] int tokens) => Run(FfnPrecision.Float32, (_, engine) =>
    {
        FfnSpec dense = FfnSpec.Create(FfnKind.GeGlu, 32, 40).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));
        using FfnLayer first = engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 907));
        using FfnLayer second = engine.CreateLayer(dense, RandomLayers.Gaussian(dense, 908));
        using FfnLayer third = engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 909));
        float[] input = RandomLayers.Rows(tokens, Spec.DModel, 910);
        float[] expected = input;
        foreach (FfnLayer layer in (FfnLayer[])[first, second, third])
        {
            expected = EngineTests.Forward(layer, mode, expected);
        }

        float[] output = new float[input.Length];
        engine.CreateChain(first, second, third).Forward(mode, input, output);
        Assert.That(output, Is.EqualTo(expected));
    });

    [Test]
    public void A_forward_that_holds_no_thread_gives_the_same_bits([Values] FfnMode mode, [Values(1, 40)] int tokens) => Run(FfnPrecision.Float32, (_, engine) =>
    {
        using FfnLayer layer = engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 918));
        float[] input = RandomLayers.Rows(tokens, Spec.DModel, 919);
        float[] expected = EngineTests.Forward(layer, mode, input);
        float[] output = new float[input.Length];
        layer.ForwardAsync(mode, input, output).AsTask().GetAwaiter().GetResult();
        Assert.That(output, Is.EqualTo(expected));
        float[] bad = [.. input];
        bad[^1] = float.NaN;
        Array.Fill(output, -7f);
        Assert.That(
            () => layer.ForwardAsync(mode, bad, output).AsTask().GetAwaiter().GetResult(),
            Throws.ArgumentException.With.Message.Contains($"Token {tokens - 1}"));
        Assert.That(output, Is.All.EqualTo(-7f));
        layer.ForwardAsync(mode, input, input).AsTask().GetAwaiter().GetResult();
        Assert.That(input, Is.EqualTo(expected), "in place");
    });

    // Routing is of float32 in all precisions: the same experts, and weights as close as sums of another order are.
    [TestCase(FfnPrecision.Tf32, 0.002)]
    [TestCase(FfnPrecision.BFloat16, 0.02)]
    [TestCase(FfnPrecision.Float16, 0.003)]
    [TestCase(FfnPrecision.Float8, 0.15)]
    public void A_precision_changes_the_experts_numbers_and_not_their_choice(FfnPrecision precision, double tolerance)
    {
        foreach (int tokens in (int[])[1, 3, 40])
        {
            float[] input = RandomLayers.RowsFor(Spec, RandomLayers.Gaussian(Spec, 911), tokens, 912);
            (float[] exact, FfnTrace expected, _) = Trace(FfnPrecision.Float32, input);
            (float[] output, FfnTrace trace, double error) = Trace(precision, input);
            Assert.That(trace.Routing!.Experts, Is.EqualTo(expected.Routing!.Experts));
            Assert.That(trace.Routing.Weights, Is.EqualTo(expected.Routing.Weights));
            Assert.That(trace.Normalized, Is.EqualTo(expected.Normalized));
            Tolerances.AssertClose(output, Estimate.Exact(exact), tolerance, precision.ToString());

            // The decode kernels sum in float32 where weights are kept so.
            Assert.That(output.SequenceEqual(exact), Is.EqualTo(precision == FfnPrecision.Tf32 && tokens <= 3));
            Assert.That(error, precision == FfnPrecision.Tf32 ? Is.Zero : Is.InRange(1e-5, tolerance));
        }
    }

    [Test]
    public void A_profile_tells_routing_from_products() => Run(FfnPrecision.Float32, static (_, engine) =>
    {
        using FfnLayer layer = engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 913));
        var profile = new FfnProfile();
        float[] input = RandomLayers.Rows(9, Spec.DModel, 914);
        layer.Inspect(FfnMode.Block, input, new float[input.Length], profile: profile);
        Assert.That(
            Enum.GetValues<FfnStep>().Where(step => profile.TimeIn(step) > TimeSpan.Zero),
            Is.SupersetOf(new[] { FfnStep.Gemm, FfnStep.Norm, FfnStep.Routing }));
        Assert.That(profile.Elapsed, Is.GreaterThan(TimeSpan.Zero));
    });

    [Test]
    public void All_weights_are_one_piece_of_memory() => Run(FfnPrecision.BFloat16, static (device, engine) =>
    {
        int calls = device.Failures.CallsOf("cuMemAlloc_v2");
        long bytes = device.DeviceBytes;
        using FfnLayer layer = engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 915));

        // The weights, and the workspace of the slot on which the decode kernels are looked at.
        Assert.That(device.Failures.CallsOf("cuMemAlloc_v2") - calls, Is.LessThanOrEqualTo(2));
        Assert.That(layer.WeightBytes, Is.InRange(2 * Spec.ParameterCount, device.DeviceBytes - bytes));
    });

    [Test]
    public void Whichever_call_fails_nothing_is_left_behind([ValueSource(nameof(Statuses))] int status, [Values(1, 9)] int tokens)
    {
        float[] input = RandomLayers.Rows(tokens, Spec.DModel, 916);
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 917);
        bool failed = true;
        int failures = 0;
        for (int call = 1; failed; call++)
        {
            using SoftwareDevice device = SoftwareDevice.Start();
            using (FfnEngine engine = TestBackends.Open(TestBackends.OptionsOf(BackendKind.CuBlas, 1)))
            {
                device.FailCall(call, status);
                try
                {
                    using FfnLayer layer = engine.CreateLayer(Spec, weights);
                    float[] output = [.. Enumerable.Repeat(-7f, input.Length)];
                    try
                    {
                        layer.ForwardBlock(input, output);
                    }
                    catch (Exception failure) when (failure is DeviceFailedException or InsufficientMemoryException)
                    {
                        Assert.That(output, Is.All.EqualTo(-7f), $"call {call}, {device.Failures.Failed}");
                        throw;
                    }
                }
                catch (Exception failure) when (failure is DeviceFailedException or InsufficientMemoryException)
                {
                    failures++;
                }

                failed = device.Failures.Failed is not null;
                device.StopFailing();
                if (engine.Failure is null)
                {
                    using FfnLayer next = CreateOnceMore(engine, weights);
                    Assert.That(EngineTests.Forward(next, FfnMode.Block, input), Is.All.Matches<float>(float.IsFinite), $"after call {call}");
                }
            }

            if (device.Failures.Failed == "cuCtxPushCurrent_v2")
            {
                // What is in a context that cannot be entered cannot be freed, and goes with it.
                Assert.That(device.TakeViolations(), Is.All.EndsWith("was left when its context went."));
            }
            else
            {
                Assert.That(device.Violations, Is.Empty, device.Failures.Failed);
                device.AssertClean();
            }
        }

        Assert.That(failures, Is.GreaterThan(50));
    }

    private static void Run(FfnPrecision precision, Action<SoftwareDevice, FfnEngine> test)
    {
        using SoftwareDevice device = SoftwareDevice.Start();
        using (FfnEngine engine = TestBackends.Open(BackendKind.CuBlas, 1, precision))
        {
            test(device, engine);
        }

        device.AssertClean();
    }

    private static (float[] Output, FfnTrace Trace, double Error) Trace(FfnPrecision precision, float[] input)
    {
        float[] output = new float[input.Length];
        var trace = new FfnTrace(Spec, input.Length / Spec.DModel);
        double error = 0;
        Run(precision, (_, engine) =>
        {
            using FfnLayer layer = engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 911));
            layer.Inspect(FfnMode.Block, input, output, trace);
            error = layer.QuantizationError;
        });
        return (output, trace, error);
    }

    private static void Forward(FfnLayer layer, FfnDeviceStream stream, FfnMode mode, FfnDeviceRows input, FfnDeviceRows residual, FfnDeviceRows output)
    {
        switch (mode)
        {
            case FfnMode.Ffn:
                layer.Forward(stream, input, output);
                break;
            case FfnMode.Residual:
                layer.ForwardResidual(stream, input, residual, output);
                break;
            default:
                layer.ForwardBlock(stream, input, output);
                break;
        }
    }

    private static FfnDeviceRows OnDevice(ForeignCuda foreign, float[] rows, int width, int more)
    {
        int tokens = rows.Length / width;
        float[] spread = new float[tokens * (width + more)];
        for (int token = 0; token < tokens; token++)
        {
            rows.AsSpan(token * width, width).CopyTo(spread.AsSpan(token * (width + more)));
        }

        return new FfnDeviceRows(foreign.Allocate<float>(spread), tokens, width + more);
    }

    private static float[] FromDevice(ForeignCuda foreign, FfnDeviceRows rows, int width)
    {
        float[] spread = foreign.Read<float>(rows.Address, checked((int)(rows.Tokens * rows.Stride)));
        float[] dense = new float[rows.Tokens * width];
        for (int token = 0; token < rows.Tokens; token++)
        {
            spread.AsSpan(checked((int)(token * rows.Stride)), width).CopyTo(dense.AsSpan(token * width));
        }

        return dense;
    }

    // An error that was met while something was freed has nobody to be told to, and is told by the next that makes something.
    private static FfnLayer CreateOnceMore(FfnEngine engine, FfnMemoryWeights weights)
    {
        try
        {
            return engine.CreateLayer(Spec, weights);
        }
        catch (Exception late) when (late is DeviceFailedException { IsFatal: false } or InsufficientMemoryException)
        {
            return engine.CreateLayer(Spec, weights);
        }
    }
}
