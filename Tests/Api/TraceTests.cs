using NativeFfn.Tests.Parity;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>The inner values and the times of a forward.</summary>
public class TraceTests : StorageTests
{
    private static readonly NormSpec Rms = new(NormKind.Rms, 1e-5f);

    private static readonly ParityCase[] Cases =
    [
        new(FfnSpec.Create(FfnKind.SwiGlu, 20, 37).WithNorms(Rms), 7, FfnMode.Block, 400),
        new(FfnSpec.Create(FfnKind.SwiGlu, 64, 176, bias: true), 1, FfnMode.Ffn, 410),
        new(FfnSpec.Create(FfnKind.Gelu, 33, 65, bias: true).WithNorms(new NormSpec(NormKind.Layer, 1e-5f), Rms), 17, FfnMode.Block, 420),
        new(FfnSpec.Create(FfnKind.GeGluTanh, 16, 48, bias: true), 33, FfnMode.Residual, 430),
        new(FfnSpec.Create(FfnKind.SquaredRelu, 8, 31), 600, FfnMode.Ffn, 440),
        new(FfnSpec.Create(FfnKind.Bilinear, 8, 31), 0, FfnMode.Ffn, 450),
        new(
            FfnSpec.Stack(
                new FfnStage(FfnKind.Silu, 12, 50, true), new FfnStage(FfnKind.SwiGlu, 50, 9, true), new FfnStage(FfnKind.GeluTanh, 9, 12, false)),
            10, FfnMode.Residual, 460),
        new(FfnSpec.Stack(new FfnStage(FfnKind.Silu, 12, 5, true)), 3, FfnMode.Ffn, 470),
    ];

    // What a GPU refuses.
    private static readonly ParityCase[] Rarer =
    [
        new(FfnSpec.Create(FfnKind.SwiGlu, 20, 37, bias: true).WithInnerNorm(Rms).WithNorms(Rms), 7, FfnMode.Block, 480),
        new(FfnSpec.Create(FfnKind.Gelu, 17, 33).WithInnerNorm(new NormSpec(NormKind.Layer, 1e-5f)), 5, FfnMode.Residual, 490),
        new(FfnSpec.Create(FfnKind.GeGluTanh with { Parameters = new() { SparsityMultiplier = 0.5f } }, 9, 40), 600, FfnMode.Ffn, 500),
        new(
            FfnSpec.Create(FfnKind.Gelu with { Parameters = new() { SparsityMultiplier = -0.5f, InputFactor = 2 } }, 9, 40, bias: true)
                .WithNorms(Rms).WithBlockForm(new() { ResidualIsNormed = true, BranchFactor = 2 }),
            9, FfnMode.Block, 510),
    ];

    public TraceTests(BackendKind backend, FfnPrecision precision)
        : base(backend, precision)
    {
    }

    [TestCaseSource(nameof(Cases))]
    public void A_trace_holds_what_the_formula_says(ParityCase layer)
    {
        foreach (int threads in ThreadCounts)
        {
            using FfnLayer made = Engine(threads).CreateLayer(layer.Spec, layer.Weights);
            FfnTrace trace = Trace(made, layer);
            OracleRun expected = layer.Mode == FfnMode.Residual
                ? Oracle.Run(layer.Spec, layer.Stored(Precision), layer.Mode, layer.Input())
                : layer.ExpectedIn(Precision);
            double tolerance = Tolerances.Of(layer.Spec, Precision);

            Assert.That(trace.HiddenStages, Has.Length.EqualTo(layer.Spec.Stages.Length - 1));
            if (trace.Normalized is { } normalized)
            {
                Tolerances.AssertClose(normalized, expected.Normalized, tolerance, "normalized");
            }

            for (int i = 0; i < trace.HiddenStages.Length; i++)
            {
                FfnStageTrace stage = trace.HiddenStages[i];
                OracleStage oracle = expected.Stages[i];
                Tolerances.AssertClose(stage.PreActivation, oracle.PreActivation, tolerance, $"stage {i}, pre-activation");
                Tolerances.AssertClose(stage.Activation, oracle.Activation, tolerance, $"stage {i}, activation");
                Tolerances.AssertClose(stage.Hidden, oracle.Hidden, tolerance, $"stage {i}, hidden");
                Assert.That(stage.Up is null, Is.EqualTo(oracle.Up is null), $"stage {i} has an up projection only where it is gated");
                if (oracle.Up is not null)
                {
                    Tolerances.AssertClose(stage.Up!, oracle.Up, tolerance, $"stage {i}, up");
                }
            }
        }
    }

    [TestCaseSource(nameof(Rarer))]
    public void A_trace_holds_the_rarer_parts_of_a_formula_too(ParityCase layer)
    {
        if (Backend != BackendKind.CuBlas)
        {
            A_trace_holds_what_the_formula_says(layer);
            Looking_changes_no_bit_of_the_output(layer);
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void Looking_changes_no_bit_of_the_output(ParityCase layer)
    {
        foreach (int threads in ThreadCounts)
        {
            using FfnLayer made = Engine(threads).CreateLayer(layer.Spec, layer.Weights);
            float[] input = layer.Input();
            float[] plain = Forward(made, layer.Mode, input);
            float[] traced = new float[plain.Length];
            float[] profiled = new float[plain.Length];
            made.Inspect(layer.Mode, input, traced, new FfnTrace(layer.Spec, layer.Tokens));
            made.Inspect(layer.Mode, input, profiled, profile: new FfnProfile());
            Assert.That(traced, Is.EqualTo(plain), "traced");
            Assert.That(profiled, Is.EqualTo(plain), "profiled");
        }
    }

    [Test]
    public void A_trace_may_be_used_again_and_a_forward_without_norms_leaves_its_norm_alone()
    {
        ParityCase layer = Cases[0];
        using FfnLayer made = Engine(1).CreateLayer(layer.Spec, layer.Weights);
        FfnTrace trace = Trace(made, layer);
        float[] normalized = [.. trace.Normalized!];
        float[] hidden = [.. trace.HiddenStages[0].Hidden];
        made.Inspect(FfnMode.Ffn, layer.Input(), new float[layer.Tokens * layer.Spec.OutputWidth], trace);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(trace.Normalized, Is.EqualTo(normalized));
            Assert.That(trace.HiddenStages[0].Hidden, Is.Not.EqualTo(hidden), "without the norm other numbers go in");
        }
    }

    [Test]
    public void In_place_and_traced_go_together()
    {
        ParityCase layer = Cases[0];
        using FfnLayer made = Engine(2).CreateLayer(layer.Spec, layer.Weights);
        float[] rows = layer.Input();
        var trace = new FfnTrace(layer.Spec, layer.Tokens);
        made.Inspect(layer.Mode, rows, rows, trace);
        Tolerances.AssertClose(rows, layer.ExpectedIn(Precision).Output, Tolerances.Of(layer.Spec, Precision), "output");
        Tolerances.AssertClose(trace.Normalized, layer.ExpectedIn(Precision).Normalized, Tolerances.Of(layer.Spec, Precision), "normalized");
    }

    [Test]
    public void A_trace_of_another_size_is_refused()
    {
        ParityCase layer = Cases[0];
        using FfnLayer made = Engine(1).CreateLayer(layer.Spec, layer.Weights);
        var trace = new FfnTrace(layer.Spec, layer.Tokens + 1);
        ArgumentException refusal = Assert.Throws<ArgumentException>(
            () => made.Inspect(FfnMode.Ffn, layer.Input(), new float[layer.Tokens * layer.Spec.OutputWidth], trace));
        Assert.That(refusal.Message, Does.Contain("trace").And.Contain("8 tokens"));
    }

    [Test]
    public void Steps_of_a_profile_are_parts_of_the_whole([Values] FfnMode mode, [Values(1, 2, 3)] int threads)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 64, 176, bias: true).WithNorms(Rms, Rms, Rms);
        using FfnLayer layer = Engine(threads).CreateLayer(spec, RandomLayers.Gaussian(spec, 480));
        float[] input = RandomLayers.Rows(65, 64, 481);
        var profile = new FfnProfile();
        Assert.That(profile.ShareOf(FfnStep.Gemm), Is.Zero, "before the first forward");
        for (int i = 0; i < 5; i++)
        {
            layer.Inspect(mode, input, new float[input.Length], profile: profile);
        }

        double[] shares = [.. Enum.GetValues<FfnStep>().Select(profile.ShareOf)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(profile.Elapsed, Is.GreaterThan(TimeSpan.Zero));
            Assert.That(profile.ThreadTime, Is.GreaterThan(TimeSpan.Zero));
            Assert.That(shares, Is.All.GreaterThanOrEqualTo(0));
            Assert.That(shares.Sum(), Is.LessThanOrEqualTo(1.000001));
            Assert.That(shares[(int)FfnStep.Gemm], Is.GreaterThan(0));
            Assert.That(shares[(int)FfnStep.Norm] > 0 && mode != FfnMode.Block, Is.False, "norms are left out but in a block");
        }
    }

    private static FfnTrace Trace(FfnLayer made, ParityCase layer)
    {
        var trace = new FfnTrace(layer.Spec, layer.Tokens);
        made.Inspect(layer.Mode, layer.Input(), new float[layer.Tokens * layer.Spec.OutputWidth], trace);
        return trace;
    }
}
