using NativeFfn.Tests.Software;
using NUnit.Framework;

namespace NativeFfn.Tests.OnDevice;

/// <summary>Whichever native call fails, the caller is told by a documented exception that names it, and what can go on goes on.</summary>
public sealed class DeviceFailureTests : DeviceTests
{
    private const int FewTokens = 3;
    private const int ManyTokens = 20;

    // More calls than any of the walks has.
    private const int MostCalls = 2000;

    private static readonly Scenario[] Scenarios =
    [
        new("making a layer", 0, static bench => _ = bench.Engine, static bench => Nothing(bench.NewLayer())),
        new("measuring the decode kernels", null, static bench => _ = bench.Engine, static bench => Nothing(bench.Layer)),
        new("products", 0, static bench => _ = bench.Layer, static bench => bench.Block(ManyTokens)),
        new("decode kernels", 8, static bench => _ = bench.Layer, static bench => bench.Block(FewTokens)),
        new("recording", 8, static bench => _ = bench.Block(FewTokens), static bench => bench.Block(FewTokens)),
        new("recording products", 0, static bench => _ = bench.Block(FewTokens), static bench => bench.Block(FewTokens)),
        new("replaying", 8, static bench => _ = (bench.Block(FewTokens), bench.Block(FewTokens)), static bench => bench.Block(FewTokens)),
        new("opening a stream", 0, static bench => _ = bench.Layer, static bench => Nothing(bench.Stream)),
        new("device rows", 0, static bench => _ = (bench.Layer, bench.Stream), static bench => bench.DeviceBlock(FewTokens)),
        new("decoding device rows", 8, static bench => _ = (bench.Layer, bench.Stream), static bench => bench.DeviceBlock(FewTokens)),
        new("a chain", 0, static bench => _ = bench.Layer, Chain),
        new("a trace", 0, static bench => _ = bench.Layer, Trace),
    ];

    private static readonly int[] Passing = [CudaResult.InvalidValue, CudaResult.OutOfMemory];

    private static readonly int[] Sticky = [CudaResult.IllegalAddress];

    // What frees or restores tells nobody at once; a plan asks whether an algorithm that was kept still serves.
    private static readonly string[] Quiet = ["Free", "Destroy", "Release", "Unload", "PopCurrent", "IsCapturing"];

    // What takes memory, and is tried again when idle memory was given back.
    private static readonly string[] Retried = ["cuMemAlloc_v2", "cuMemHostAlloc", "cuStreamCreate", "cuEventCreate"];

    // What is done while a forward is recorded: it is run as it is where that fails.
    private static readonly string[] Recorded =
        ["BeginCapture", "EndCapture", "GraphInstantiate", "cublasLtMatmul", "cuLaunchKernel", "cuMemcpy"];

    [Test]
    public void An_engine_that_cannot_be_opened_says_which_call_failed(
        [Values(CudaResult.InvalidValue, CudaResult.OutOfMemory, CudaResult.IllegalAddress)] int status)
    {
        int calls = Walk(
            () => new DeviceBench(),
            status,
            static bench => FfnEngine.Create(bench.Options).Dispose(),
            static (bench, thrown, function, what) =>
            {
                if (thrown is not null)
                {
                    Assert.That(thrown, Is.TypeOf<BackendUnavailableException>(), what);
                    Assert.That(thrown.Message, Does.Contain(function), what);
                }
                else
                {
                    Assert.That(Quiet.Any(function.Contains) || function == "cuCtxPushCurrent_v2", Is.True, $"{what} was swallowed");
                }
            });
        Assert.That(calls, Is.GreaterThan(40), "the walk must be a walk");
    }

    [TestCaseSource(nameof(Scenarios))]
    public void After_a_failure_that_passes_everything_goes_on(object scenario)
    {
        var (name, _, _, act) = (Scenario)scenario;
        Walk((Scenario)scenario, Passing, (bench, thrown, result, expected, function, status, what) =>
        {
            AssertTold(name, thrown, result, expected, function, status, what);
            Assert.That(bench.Engine.Failure, Is.Null, what);
            Assert.That(OnceMore(bench, act, function), Is.EqualTo(expected), $"{what}, the next one");
        });
    }

    [TestCaseSource(nameof(Scenarios))]
    public void A_failure_that_ends_the_context_is_told_from_then_on(object scenario) =>
        Walk((Scenario)scenario, Sticky, (bench, thrown, result, expected, function, status, what) =>
        {
            if (IsDriver(function))
            {
                AssertLost(bench, thrown, result, expected, function, what);
            }
            else
            {
                AssertTold(((Scenario)scenario).Name, thrown, result, expected, function, status, what);
            }
        });

    [Test]
    public void Disposal_is_quiet_whatever_fails([Values(CudaResult.InvalidValue, CudaResult.IllegalAddress)] int status)
    {
        int calls = Walk(
            static () => new DeviceBench(8),
            status,
            static bench => _ = (bench.Block(FewTokens), bench.Block(FewTokens), bench.Block(ManyTokens), bench.DeviceBlock(FewTokens)),
            static bench =>
            {
                bench.DisposeThings();
                return null;
            },
            static (_, thrown, _, _, what) => Assert.That(thrown, Is.Null, what));
        Assert.That(calls, Is.GreaterThan(20), "the walk must be a walk");
    }

    // A scenario with each status in turn.
    private static void Walk(Scenario scenario, int[] statuses, Check check)
    {
        float[]? expected = Expected(scenario);
        foreach (int status in statuses)
        {
            int calls = Walk(
                () => new DeviceBench(scenario.DecodeTokens), status, scenario.Prepare, scenario.Act,
                (bench, thrown, result, function, what) => check(bench, thrown, result, expected, function, status, what));
            Assert.That(calls, Is.GreaterThan(3), $"{scenario.Name}: the walk must be a walk");
        }
    }

    // Lets the first call fail, then the second and so on, until the act has no more calls.
    private static int Walk(
        Func<DeviceBench> make, int status, Action<DeviceBench> prepare, Func<DeviceBench, float[]?> act,
        Action<DeviceBench, Exception?, float[]?, string, string> check)
    {
        for (int n = 1; n < MostCalls; n++)
        {
            using DeviceBench bench = make();
            prepare(bench);
            bench.Device.FailCall(n, status);
            float[]? result = null;
            Exception? thrown = null;
            try
            {
                result = act(bench);
            }
            catch (Exception exception)
            {
                thrown = exception;
            }

            if (bench.Device.Failures.Failed is not { } function)
            {
                Assert.That(thrown, Is.Null, $"call {n}, which was not made");
                return n - 1;
            }

            bench.Device.StopFailing();
            string what = $"call {n}, {function} with {status}";
            check(bench, thrown, result, function, what);
            bench.DisposeThings();
            AssertClean(bench.Device, function, what);
        }

        Assert.Fail("The walk does not end.");
        return 0;
    }

    private static int Walk(
        Func<DeviceBench> make, int status, Action<DeviceBench> act,
        Action<DeviceBench, Exception?, string, string> check) => Walk(
        make, status, static _ => { },
        bench =>
        {
            act(bench);
            return null;
        },
        (bench, thrown, _, function, what) => check(bench, thrown, function, what));

    private static float[]? Expected(Scenario scenario)
    {
        using var bench = new DeviceBench(scenario.DecodeTokens);
        scenario.Prepare(bench);
        float[]? expected = scenario.Act(bench);
        bench.End();
        return expected;
    }

    private static void AssertTold(string scenario, Exception? thrown, float[]? result, float[]? expected, string function, int status, string what)
    {
        if (thrown is null)
        {
            bool isRetried = (status == CudaResult.OutOfMemory && Retried.Contains(function))
                || (scenario.StartsWith("recording", StringComparison.Ordinal) && Recorded.Any(function.Contains));
            Assert.That(isRetried || Quiet.Any(function.Contains) || function == "cuCtxPushCurrent_v2", Is.True, $"{what} was swallowed");
            Assert.That(result, Is.EqualTo(expected), what);
            return;
        }

        if (function == "cuPointerGetAttribute" && status == CudaResult.InvalidValue)
        {
            Assert.That(thrown, Is.TypeOf<ArgumentException>().With.Message.Contains("no memory that CUDA knows"), what);
            return;
        }

        bool isMemory = status == CudaResult.OutOfMemory && IsDriver(function);
        Assert.That(thrown, isMemory ? Is.TypeOf<InsufficientMemoryException>() : Is.TypeOf<DeviceFailedException>(), what);
        Assert.That(thrown.Message, Does.Contain(function), what);
        Assert.That((thrown as DeviceFailedException)?.IsFatal, Is.Not.True, what);
    }

    private static void AssertLost(DeviceBench bench, Exception? thrown, float[]? result, float[]? expected, string function, string what)
    {
        if (thrown is null)
        {
            Assert.That(result, Is.EqualTo(expected), what);
        }
        else
        {
            AssertFatal(thrown, what);
            Assert.That(thrown, Is.SameAs(bench.Engine.Failure).Or.Property("Message").EqualTo(bench.Engine.Failure?.Message), what);
        }

        var later = Assert.Throws<DeviceFailedException>(() => bench.Block(ManyTokens), what)!;
        AssertFatal(later, what);
        var failure = (DeviceFailedException?)bench.Engine.Failure;
        Assert.That(failure, Is.Not.Null, what);
        Assert.That(later.Message, Is.EqualTo(failure!.Message), what);
        if (thrown is not null && !Quiet.Any(function.Contains))
        {
            Assert.That(failure.Message, Does.Contain(function), what);
        }

        Assert.That(Assert.Throws<DeviceFailedException>(() => bench.NewLayer(), what)!.Message, Is.EqualTo(failure.Message), what);
        Assert.That(
            Assert.Throws<DeviceFailedException>(() => bench.Engine.CreateDeviceStream().Dispose(), what)!.Message, Is.EqualTo(failure.Message), what);
    }

    private static void AssertFatal(Exception thrown, string what)
    {
        Assert.That(thrown, Is.TypeOf<DeviceFailedException>(), what);
        Assert.That(((DeviceFailedException)thrown).IsFatal, Is.True, what);
    }

    // What could not be freed is told by the next thing that is made, once.
    private static float[]? OnceMore(DeviceBench bench, Func<DeviceBench, float[]?> act, string function)
    {
        try
        {
            return act(bench);
        }
        catch (DeviceFailedException late) when (!late.IsFatal && late.Message.Contains(function, StringComparison.Ordinal))
        {
            return act(bench);
        }
        catch (InsufficientMemoryException late) when (late.Message.Contains(function, StringComparison.Ordinal))
        {
            return act(bench);
        }
    }

    private static void AssertClean(SoftwareDevice device, string function, string what)
    {
        device.RunEverything();
        if (function == "cuCtxPushCurrent_v2")
        {
            // A context that cannot be entered keeps what is in it until it goes itself.
            Assert.That(device.Violations, Is.All.Contains("left when its context went"), what);
            return;
        }

        Assert.That(device.Violations, Is.Empty, what);
        Assert.That(device.Leaks(), Is.Empty, what);
    }

    private static bool IsDriver(string function) =>
        function.StartsWith("cu", StringComparison.Ordinal) && !function.StartsWith("cublas", StringComparison.Ordinal);

    private static float[]? Nothing(object made)
    {
        GC.KeepAlive(made);
        return null;
    }

    private static float[] Chain(DeviceBench bench)
    {
        float[] input = DeviceBench.Rows(FewTokens);
        float[] output = new float[input.Length];
        bench.Engine.CreateChain(bench.Layer, bench.Layer).Forward(FfnMode.Block, input, output);
        return output;
    }

    private static float[] Trace(DeviceBench bench)
    {
        float[] input = DeviceBench.Rows(FewTokens);
        float[] output = new float[input.Length];
        var trace = new FfnTrace(DeviceBench.Spec, FewTokens);
        bench.Layer.Inspect(FfnMode.Block, input, output, trace, new FfnProfile());
        FfnStageTrace stage = trace.HiddenStages[0];
        return [.. output, .. trace.Normalized!, .. stage.PreActivation, .. stage.Activation, .. stage.Up!, .. stage.Hidden];
    }

    private delegate void Check(
        DeviceBench bench, Exception? thrown, float[]? result, float[]? expected, string function, int status, string what);

    /// <summary>What is done while calls fail.</summary>
    /// <param name="Name">What it is.</param>
    /// <param name="DecodeTokens">How the engine decodes; null: it measures.</param>
    /// <param name="Prepare">What is done before.</param>
    /// <param name="Act">What is done; gives the numbers.</param>
    private sealed record Scenario(string Name, int? DecodeTokens, Action<DeviceBench> Prepare, Func<DeviceBench, float[]?> Act)
    {
        public override string ToString() => Name;
    }
}
