using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.OnDevice;

/// <summary>What is queued on the device, in which order, for each kind of layer, mode and token count.</summary>
public sealed class DeviceLaunchTests : DeviceTests
{
    // More than are recorded.
    private const int ManyTokens = 20;

    // cublasLtEpilogue_t.
    private const int Bias = 4;
    private const int Gelu = 32;

    private static readonly NormSpec Rms = new(NormKind.Rms, 1e-5f);

    [TestCase(FfnPrecision.BFloat16, "to-device prepare_operand product activate_operand product+residual to-host")]
    [TestCase(FfnPrecision.Float16, "to-device prepare_operand product activate_operand product+residual to-host")]
    [TestCase(FfnPrecision.Tf32, "to-device product activate_operand product+residual to-host")]
    [TestCase(FfnPrecision.Float32, "to-device product activate_operand product+residual to-host")]
    [TestCase(FfnPrecision.Float8, "to-device prepare_operand product activate_operand product finish to-host")]
    public void A_gated_layer_is_two_products_and_what_must_lie_between(FfnPrecision precision, string expected) =>
        AssertLaunches(FfnSpec.Create(FfnKind.SwiGlu, 32, 48), FfnMode.Residual, expected, precision);

    [Test]
    public void Rows_that_are_not_padded_by_nature_are_copied_first() => AssertLaunches(
        FfnSpec.Create(FfnKind.SwiGlu, 20, 37), FfnMode.Ffn, "to-device prepare_operand product activate_operand product to-host");

    [Test]
    public void A_block_adds_its_input_in_the_last_product() => AssertLaunches(
        FfnSpec.Create(FfnKind.SwiGlu, 32, 48, bias: true).WithNorms(Rms), FfnMode.Block,
        "to-device prepare_operand product activate_operand product[4]+residual to-host");

    [Test]
    public void Later_norms_follow_in_one_kernel()
    {
        const string expected = "to-device prepare_operand product activate_operand product finish to-host";
        AssertLaunches(FfnSpec.Create(FfnKind.SwiGlu, 32, 48, bias: true).WithNorms(Rms, Rms), FfnMode.Block, expected);
        AssertLaunches(FfnSpec.Create(FfnKind.SwiGlu, 32, 48).WithNorms(Rms, null, Rms), FfnMode.Block, expected);
    }

    [Test]
    public void Another_residual_is_copied_too() => AssertLaunches(
        FfnSpec.Create(FfnKind.SwiGlu, 32, 48), FfnMode.Residual, "to-device to-device product activate_operand product+residual to-host",
        ownResidual: true);

    [TestCase(false, "product[32] product")]
    [TestCase(true, "product[36] product[4]")]
    public void Tanh_gelu_is_the_products_own_in_16_bits(bool bias, string products)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.GeluTanh, 32, 48, bias);
        AssertLaunches(spec, FfnMode.Ffn, $"to-device prepare_operand {products} to-host", precision: FfnPrecision.BFloat16);
        AssertLaunches(spec, FfnMode.Ffn, $"to-device prepare_operand {products} to-host", precision: FfnPrecision.Float16);
        AssertLaunches(spec, FfnMode.Ffn, $"to-device product activate_operand product{(bias ? "[4]" : "")} to-host");
    }

    [Test]
    public void A_row_that_ends_with_padding_has_its_activation_from_a_kernel() => AssertLaunches(
        FfnSpec.Create(FfnKind.GeluTanh, 32, 47), FfnMode.Ffn, "to-device prepare_operand product activate_operand product to-host",
        precision: FfnPrecision.BFloat16);

    [Test]
    public void Other_activations_are_kernels([Values] bool bias, [Values] bool isRelu) => AssertLaunches(
        FfnSpec.Create(isRelu ? FfnKind.Relu : FfnKind.Gelu, 32, 48, bias), FfnMode.Ffn,
        $"to-device product activate_operand product{(bias ? "[4]" : "")} to-host");

    [Test]
    public void Stages_without_an_activation_are_products_alone() => AssertLaunches(
        FfnSpec.Stack(new FfnStage(FfnKind.Linear, 32, 48, true), new FfnStage(FfnKind.Linear, 48, 16, true)), FfnMode.Ffn,
        "to-device product[4] product[4] to-host");

    [Test]
    public void An_activation_at_the_end_is_followed_by_nothing_but_what_is_added()
    {
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.Relu, 32, 48, true), new FfnStage(FfnKind.Silu, 48, 32, true));
        AssertLaunches(spec, FfnMode.Ffn, "to-device product activate_operand product activate_result to-host");
        AssertLaunches(spec, FfnMode.Residual, "to-device product activate_operand product activate_result finish to-host");
    }

    [Test]
    public void An_epilogue_that_cublasLt_lacks_is_a_kernel([Values] bool bias) => AssertLaunches(
        FfnSpec.Create(FfnKind.GeluTanh, 32, 48, bias), FfnMode.Ffn,
        $"to-device prepare_operand product activate_operand product{(bias ? "[4]" : "")} to-host",
        unsupported: static launch => (launch.Epilogue & Gelu) != 0, precision: FfnPrecision.BFloat16);

    [Test]
    public void A_bias_that_cublasLt_cannot_add_is_added_by_a_kernel() => AssertLaunches(
        FfnSpec.Create(FfnKind.SwiGlu, 32, 48, bias: true), FfnMode.Residual, "to-device product activate_operand product finish to-host",
        unsupported: static launch => launch.Epilogue == Bias);

    [Test]
    public void A_product_that_cublasLt_lacks_is_told_with_its_shape()
    {
        Start(Ada with { Unsupported = static launch => launch.Epilogue == 1 });
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 32, 48);
        using FfnEngine engine = Open();
        using FfnLayer layer = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 34_000));
        Assert.That(
            () => Run(layer, FfnMode.Ffn, ManyTokens),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("20 tokens").And.Message.Contains("32 -> 48").And.Message.Contains("f32"));
        Device.Unsupported = static _ => false;
        Assert.That(engine.Failure, Is.Null);
    }

    [TestCase(1, "to-device prepare_vector vector_stage_1 vector_result_1 to-host")]
    [TestCase(2, "to-device prepare_vector vector_stage_2 vector_result_2 to-host")]
    [TestCase(3, "to-device prepare_vector vector_stage_4 vector_result_4 to-host")]
    [TestCase(5, "to-device prepare_vector vector_stage_8 vector_result_8 to-host")]
    [TestCase(8, "to-device prepare_vector vector_stage_8 vector_result_8 to-host")]
    [TestCase(9, "to-device prepare_operand product activate_operand product+residual to-host")]
    public void Few_tokens_run_by_the_decode_kernels(int tokens, string expected) => AssertLaunches(
        FfnSpec.Create(FfnKind.SwiGlu, 32, 48), FfnMode.Residual, expected, FfnPrecision.BFloat16, tokens, decodeTokens: 8);

    [Test]
    public void The_decode_kernels_read_float32_rows_where_they_are_and_are_followed_by_later_norms()
    {
        AssertLaunches(
            FfnSpec.Create(FfnKind.GeGlu, 32, 48), FfnMode.Ffn, "to-device vector_stage_4 vector_result_4 to-host", tokens: 3, decodeTokens: 8);
        AssertLaunches(
            FfnSpec.Create(FfnKind.GeGlu, 32, 48).WithNorms(null, Rms), FfnMode.Block, "to-device vector_stage_4 vector_result_4 finish to-host",
            tokens: 3, decodeTokens: 8);
        AssertLaunches(
            FfnSpec.Create(FfnKind.GeGlu, 32, 48).WithNorms(Rms, Rms), FfnMode.Block,
            "to-device prepare_vector vector_stage_4 vector_result_4 finish to-host", FfnPrecision.Float8, tokens: 3, decodeTokens: 8);
    }

    [Test]
    public void Layers_that_end_with_an_activation_are_never_decoded() => AssertLaunches(
        FfnSpec.Stack(new FfnStage(FfnKind.Silu, 32, 48, false)), FfnMode.Ffn, "to-device product activate_result to-host", tokens: 1, decodeTokens: 8);

    [Test]
    public void A_forward_is_recorded_the_second_time_and_replayed_from_then_on([Values(0, 8)] int decodeTokens)
    {
        Start();
        using FfnEngine engine = Open(decodeTokens: decodeTokens);
        using FfnLayer layer = Layer(engine);
        string plain = Launched(() => Run(layer, FfnMode.Ffn, 2), out float[] first);
        Assert.That(plain, Does.Not.Contain("graph").And.StartWith("to-device"));
        Assert.That(Launched(() => Run(layer, FfnMode.Ffn, 2), out float[] second), Is.EqualTo($"({plain.Replace(" ", ") (")}) graph"));
        Assert.That(Launched(() => Run(layer, FfnMode.Ffn, 2), out float[] third), Is.EqualTo("graph"));
        Assert.That(second, Is.EqualTo(first));
        Assert.That(third, Is.EqualTo(first));

        // Other rows, tokens and modes: the record holds addresses, not numbers.
        float[] rows = RandomLayers.Rows(2, 32, 34_009);
        float[] replayed = EngineTests.Forward(layer, FfnMode.Ffn, rows);
        Assert.That(replayed, Is.Not.EqualTo(first));
        Assert.That(Launched(() => Run(layer, FfnMode.Residual, 2), out _), Does.Not.Contain("graph"));
        Assert.That(Launched(() => Run(layer, FfnMode.Ffn, 1), out _), Does.Not.Contain("graph"));
        Assert.That(EngineTests.Forward(layer, FfnMode.Ffn, rows), Is.EqualTo(replayed));
    }

    [Test]
    public void Another_residual_is_another_record()
    {
        Start();
        using FfnEngine engine = Open(decodeTokens: 8);
        using FfnLayer layer = Layer(engine);
        float[] input = RandomLayers.Rows(2, 32, 34_001);
        float[] residual = RandomLayers.Rows(2, 32, 34_002);
        for (int run = 0; run < 3; run++)
        {
            float[] own = EngineTests.Forward(layer, FfnMode.Residual, input, residual);
            float[] same = EngineTests.Forward(layer, FfnMode.Residual, input, input);
            for (int i = 0; i < own.Length; i++)
            {
                Assert.That(own[i] - residual[i], Is.EqualTo(same[i] - input[i]).Within(1e-5));
            }
        }
    }

    [Test]
    public void Memory_that_moved_is_recorded_anew()
    {
        Start();
        using FfnEngine engine = Open(decodeTokens: 8);
        using FfnLayer layer = Layer(engine);
        float[] expected = Run(layer, FfnMode.Ffn, 2);
        Run(layer, FfnMode.Ffn, 2);
        Run(layer, FfnMode.Ffn, 500);
        Assert.That(Launched(() => Run(layer, FfnMode.Ffn, 2), out float[] plain), Does.Not.Contain("graph"));
        Assert.That(Launched(() => Run(layer, FfnMode.Ffn, 2), out float[] recorded), Does.EndWith(") graph"));
        Assert.That(Launched(() => Run(layer, FfnMode.Ffn, 2), out float[] replayed), Is.EqualTo("graph"));
        Assert.That(((float[][])[plain, recorded, replayed]).All(run => run.AsSpan().SequenceEqual(expected)), Is.True);
        Assert.That(Graphs, Is.EqualTo(1));
    }

    [Test]
    public void Many_tokens_a_profile_and_a_trace_are_not_recorded()
    {
        Start();
        using FfnEngine engine = Open();
        using FfnLayer layer = Layer(engine);
        for (int run = 0; run < 3; run++)
        {
            Run(layer, FfnMode.Ffn, 17);
            float[] rows = RandomLayers.Rows(2, 32, 34_003);
            layer.Inspect(FfnMode.Ffn, rows, new float[rows.Length], profile: new FfnProfile());
            layer.Inspect(FfnMode.Ffn, rows, new float[rows.Length], new FfnTrace(layer.Spec, 2));
        }

        Assert.That(Graphs, Is.Zero);
        for (int run = 0; run < 2; run++)
        {
            Run(layer, FfnMode.Ffn, 16);
        }

        Assert.That(Graphs, Is.EqualTo(1));
    }

    [Test]
    public void A_record_is_forgotten_with_its_layer()
    {
        Start();
        using FfnEngine engine = Open(decodeTokens: 8);
        for (int layers = 0; layers < 3; layers++)
        {
            using FfnLayer layer = Layer(engine);
            float[] expected = Run(layer, FfnMode.Ffn, 2);
            Assert.That(Run(layer, FfnMode.Ffn, 2), Is.EqualTo(expected));
            Assert.That(Graphs, Is.EqualTo(1), "those of layers that are gone are gone");
        }
    }

    private int Graphs => Device.Handles.Live.OfType<SoftwareGraphExec>().Count();

    private static FfnLayer Layer(FfnEngine engine)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 32, 48, bias: true);
        return engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 34_004));
    }

    private static float[] Run(FfnLayer layer, FfnMode mode, int tokens) =>
        EngineTests.Forward(layer, mode, RandomLayers.Rows(tokens, layer.Spec.InputWidth, 34_005));

    private static void AssertLaunches(
        FfnSpec spec, FfnMode mode, string expected, FfnPrecision precision = FfnPrecision.Float32, int tokens = ManyTokens, int decodeTokens = 0,
        bool ownResidual = false, Func<MatmulLaunch, bool>? unsupported = null)
    {
        using SoftwareDevice device = SoftwareDevice.Start(Ada with { Unsupported = unsupported ?? (static _ => false) });
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 34_006);
        float[] input = RandomLayers.Rows(tokens, spec.InputWidth, 34_007);
        float[]? residual = ownResidual ? RandomLayers.Rows(tokens, spec.OutputWidth, 34_008) : null;
        using (FfnEngine engine = Open(precision, decodeTokens))
        using (FfnLayer layer = engine.CreateLayer(spec, weights))
        {
            device.ClearLaunches();
            float[] output = EngineTests.Forward(layer, mode, input, residual);
            Assert.That(Text(device.Launches), Is.EqualTo(expected));
            Tolerances.AssertClose(
                output, Oracle.Run(spec, weights, mode, input, residual).Output, Tolerances.OnDevice(precision, spec), expected);
        }

        device.AssertClean();
    }

    private string Launched(Func<float[]> run, out float[] result)
    {
        Device.ClearLaunches();
        result = run();
        return Text(Device.Launches);
    }

    // Captured work in parentheses, products with the epilogue that they have.
    private static string Text(Launch[] launches) =>
        string.Join(' ', launches.Select(static launch => launch.Captured ? $"({Text(launch)})" : Text(launch)));

    private static string Text(Launch launch) => launch.Kind switch
    {
        LaunchKind.CopyToDevice => "to-device",
        LaunchKind.CopyToHost => "to-host",
        LaunchKind.Matmul => $"product{(launch.Matmul!.Epilogue == 1 ? "" : $"[{launch.Matmul.Epilogue}]")}{(launch.Matmul.Beta == 0 ? "" : "+residual")}",
        LaunchKind.Graph => "graph",
        _ => launch.Name,
    };
}
