using CommunityToolkit.HighPerformance;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.OnDevice;

/// <summary>Faults of a line that other tests would not notice: what several pieces share, and rows that lie as few rows do.</summary>
public sealed class DeviceFaultTests : DeviceTests
{
    private const int Tokens = 5;
    private const int Width = 32;

    private static readonly FfnSpec Dense = FfnSpec.Create(FfnKind.SwiGlu, Width, 48);

    // More tokens than run at a time: each piece has its own rows, routes and norms.
    [Test]
    public void A_mixtures_pieces_from_the_host_are_each_their_own([Values] bool starts)
    {
        const int tokens = 18_000;
        Start();
        FfnSpec spec = FfnSpec.Create(FfnKind.Relu, 4, 4).WithNorms(new NormSpec(NormKind.Rms, 1e-5f)).WithExperts(new MixtureSpec(3, 2));
        using FfnEngine engine = Open();
        using FfnLayer layer = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 41_000));
        float[] input = RandomLayers.Rows(tokens, 4, 41_001);
        float[] output = new float[input.Length];
        if (starts)
        {
            layer.ForwardAsync(FfnMode.Block, input, output).AsTask().GetAwaiter().GetResult();
        }
        else
        {
            output = EngineTests.Forward(layer, FfnMode.Block, input);
        }

        foreach (int first in (int[])[0, 8_100, 8_192, 16_300, 16_384, 17_900])
        {
            float[] part = EngineTests.Forward(layer, FfnMode.Block, input[(first * 4)..((first + 100) * 4)]);
            Tolerances.AssertClose(output.AsSpan(first * 4, 400), Estimate.Exact(part), Tolerances.Golden, $"tokens from {first}");
        }
    }

    // Float32 rows travel in pieces of 4 MiB; so wide a matrix needs three, and no two rows have one scale.
    [Test]
    public void Scales_of_every_piece_of_a_matrix_arrive([Values(0, 8)] int decodeTokens)
    {
        const int columns = 1024;
        const int rows = 2500;
        Start();
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.Linear, columns, rows, false));
        float[] weights = RandomLayers.Rows(rows, columns, 41_002);
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] *= 1 + (i / columns % 61);
        }

        FfnMemoryWeights given = new FfnMemoryWeights(spec).Set("layers.0.weight", weights);
        using FfnEngine engine = Open(FfnPrecision.Float8, decodeTokens);
        using FfnLayer layer = engine.CreateLayer(spec, given);
        float[] input = RandomLayers.Rows(1, columns, 41_003);
        Tolerances.AssertClose(
            EngineTests.Forward(layer, FfnMode.Ffn, input), Oracle.Run(spec, given, FfnMode.Ffn, input).Output,
            Tolerances.OnDevice(FfnPrecision.Float8), "fp8");
    }

    // A record names addresses of the host's memory as well.
    [Test]
    public void Pinned_memory_that_moves_alone_makes_a_record_void()
    {
        FfnSpec hidden = FfnSpec.Create(FfnKind.SwiGlu, Width, 4096);
        FfnSpec wide = FfnSpec.Create(FfnKind.SwiGlu, 1024, 16);
        Start();
        using FfnEngine engine = Open();
        using FfnLayer recorded = engine.CreateLayer(hidden, RandomLayers.Gaussian(hidden, 41_013));
        using FfnLayer other = engine.CreateLayer(wide, RandomLayers.Gaussian(wide, 41_014));
        float[] input = RandomLayers.Rows(2, Width, 41_015);
        float[] expected = EngineTests.Forward(recorded, FfnMode.Ffn, input);
        Assert.That(EngineTests.Forward(recorded, FfnMode.Ffn, input), Is.EqualTo(expected));
        (long device, long host) = (Device.DeviceBytes, Device.PinnedBytes);
        EngineTests.Forward(other, FfnMode.Ffn, new float[2 * 1024]);
        Assert.That(Device.DeviceBytes, Is.EqualTo(device), "the device's memory has not moved");
        Assert.That(Device.PinnedBytes, Is.GreaterThan(host));
        Device.ClearLaunches();
        Assert.That(EngineTests.Forward(recorded, FfnMode.Ffn, input), Is.EqualTo(expected));
        Assert.That(Device.Launches.Select(static launch => launch.Kind), Has.None.EqualTo(LaunchKind.Graph));
    }

    // A token count more is a matmul more; what is not kept must not stay.
    [Test]
    public void Plans_beyond_those_that_are_kept_are_freed()
    {
        const int kept = 4096;
        Start();
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.Linear, 1, 1, false));
        using FfnEngine engine = Open();
        using FfnLayer layer = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 41_010));
        for (int tokens = 1; tokens <= kept + 1; tokens++)
        {
            EngineTests.Forward(layer, FfnMode.Ffn, new float[tokens]);
        }

        int handles = Device.Handles.Live.Count();
        for (int more = 2; more < 20; more++)
        {
            EngineTests.Forward(layer, FfnMode.Ffn, new float[kept + more]);
        }

        Assert.That(Device.Handles.Live.Count(), Is.EqualTo(handles));
    }

    // Kernels move as many elements at once as every operand's address and stride allow.
    [TestCase(4, 32, 0, 32, TestName = "A residual aligned for vectors and less than the output")]
    [TestCase(1, 32, 0, 32, TestName = "A residual less aligned than the output")]
    [TestCase(0, 33, 0, 32, TestName = "A residual whose rows are less aligned")]
    [TestCase(0, 32, 1, 32, TestName = "An output less aligned than the residual")]
    [TestCase(2, 34, 3, 35, TestName = "Neither aligned")]
    public void Residuals_are_read_from_where_they_are(int residualOffset, int residualStride, int outputOffset, int outputStride)
    {
        Start();
        FfnMemoryWeights weights = RandomLayers.Gaussian(Dense, 41_004);
        using FfnEngine engine = Open();
        using FfnLayer layer = engine.CreateLayer(Dense, weights);
        using FfnDeviceStream stream = engine.CreateDeviceStream();
        var foreign = new ForeignCuda(Device) { InPrimaryContext = true };
        float[] input = RandomLayers.Rows(Tokens, Width, 41_005);
        float[] residual = RandomLayers.Rows(Tokens, 64, 41_006);
        nint output = foreign.Allocate<float>(new float[Tokens * 64]);
        layer.ForwardResidual(
            stream,
            new FfnDeviceRows(foreign.Allocate<float>(input), Tokens, Width),
            new FfnDeviceRows(foreign.Allocate<float>(residual) + (residualOffset * sizeof(float)), Tokens, residualStride),
            new FfnDeviceRows(output + (outputOffset * sizeof(float)), Tokens, outputStride));
        stream.Synchronize();
        Tolerances.AssertClose(
            RowsIn(foreign.Read<float>(output, Tokens * 64), outputOffset, outputStride),
            Oracle.Run(Dense, weights, FfnMode.Residual, input, RowsIn(residual, residualOffset, residualStride)).Output,
            Tolerances.OnDevice(FfnPrecision.Float32, Dense), "residual");
    }

    [Test]
    public void A_residual_that_begins_where_the_input_does_is_not_the_input()
    {
        Start();
        FfnMemoryWeights weights = RandomLayers.Gaussian(Dense, 41_007);
        using FfnEngine engine = Open();
        using FfnLayer layer = engine.CreateLayer(Dense, weights);
        using FfnDeviceStream stream = engine.CreateDeviceStream();
        var foreign = new ForeignCuda(Device) { InPrimaryContext = true };
        float[] memory = RandomLayers.Rows(Tokens, 64, 41_008);
        nint address = foreign.Allocate<float>(memory);
        nint output = foreign.Allocate<float>(new float[Tokens * Width]);
        layer.ForwardResidual(
            stream, new FfnDeviceRows(address, Tokens, 64), new FfnDeviceRows(address, Tokens, 40), new FfnDeviceRows(output, Tokens, Width));
        stream.Synchronize();
        Tolerances.AssertClose(
            foreign.Read<float>(output, Tokens * Width),
            Oracle.Run(Dense, weights, FfnMode.Residual, RowsIn(memory, 0, 64), RowsIn(memory, 0, 40)).Output,
            Tolerances.OnDevice(FfnPrecision.Float32, Dense), "residual of another stride");
    }

    [Test]
    public void The_hosts_residual_that_begins_where_the_input_does_is_not_the_input()
    {
        Start();
        FfnMemoryWeights weights = RandomLayers.Gaussian(Dense, 41_011);
        using FfnEngine engine = Open();
        using FfnLayer layer = engine.CreateLayer(Dense, weights);
        float[] memory = RandomLayers.Rows(Tokens, 64, 41_012);
        float[] output = new float[Tokens * Width];
        layer.ForwardResidual(
            new ReadOnlySpan2D<float>(memory, 0, Tokens, Width, 64 - Width),
            new ReadOnlySpan2D<float>(memory, 0, Tokens, Width, 40 - Width),
            new Span2D<float>(output, Tokens, Width));
        Tolerances.AssertClose(
            output, Oracle.Run(Dense, weights, FfnMode.Residual, RowsIn(memory, 0, 64), RowsIn(memory, 0, 40)).Output,
            Tolerances.OnDevice(FfnPrecision.Float32, Dense), "residual of another stride");
    }

    [Test]
    public void A_residual_beside_the_output_in_one_matrix_is_refused_before_anything_is_launched()
    {
        Start();
        using FfnEngine engine = Open();
        using FfnLayer layer = engine.CreateLayer(Dense, RandomLayers.Gaussian(Dense, 41_009));
        using FfnDeviceStream stream = engine.CreateDeviceStream();
        var foreign = new ForeignCuda(Device) { InPrimaryContext = true };
        nint input = foreign.Allocate<float>(new float[Tokens * Width]);
        nint matrix = foreign.Allocate<float>(new float[Tokens * 64]);
        Device.ClearLaunches();
        Assert.That(
            () => layer.ForwardResidual(
                stream, new FfnDeviceRows(input, Tokens, Width), new FfnDeviceRows(matrix, Tokens, 64),
                new FfnDeviceRows(matrix + (Width * sizeof(float)), Tokens, 64)),
            Throws.ArgumentException.With.Message.Contains("overlaps residual"));
        Assert.That(Device.Launches, Is.Empty);
    }

    private static float[] RowsIn(float[] memory, int offset, int stride) =>
        [.. Enumerable.Range(0, Tokens).SelectMany(token => memory.AsSpan(offset + (token * stride), Width).ToArray())];
}
