using CommunityToolkit.HighPerformance;
using NativeFfn.Backends;
using NativeFfn.Backends.CuBlas;
using NativeFfn.Backends.Parallel;
using NativeFfn.Bindings;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Nccl;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>One rank goes the whole way of several on the GPU at hand with the machine's NCCL, else on the software device.</summary>
[TestFixtureSource(typeof(TestBackends), nameof(TestBackends.DeviceFixtures))]
[NonParallelizable]
public sealed class NcclDeviceTests(BackendKind backend)
{
    private static readonly FfnSpec Spec =
        FfnSpec.Create(FfnKind.SwiGlu, 250, 682, bias: true).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));

    [Test]
    public void One_rank_alone_sends_rows_to_itself([Values(1, 40)] int tokens)
    {
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 59_000);
        float[] input = RandomLayers.Rows(tokens, 250, 59_001);
        float[] output = new float[input.Length];
        OnOneRank(weights, (layer, _) =>
        {
            Run(layer, input, output);
            Tolerances.AssertClose(output, Oracle.Run(Spec, weights, FfnMode.Block, input, input).Output, Tolerances.Of(Spec), "one rank");
            float[] first = [.. output];
            Run(layer, input, output);
            Assert.That(output, Is.EqualTo(first));
        });
    }

    [Test]
    public void A_forward_allocates_nothing()
    {
        float[] rows = RandomLayers.Rows(3, 250, 59_002);
        float[] output = new float[rows.Length];
        OnOneRank(RandomLayers.Gaussian(Spec, 59_003), (layer, device) =>
        {
            for (int warmup = 0; warmup < 3; warmup++)
            {
                Run(layer, rows, output);
            }

            long own = device?.OwnAllocatedBytes ?? 0;
            long before = GC.GetAllocatedBytesForCurrentThread();
            Run(layer, rows, output);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.That(allocated - ((device?.OwnAllocatedBytes ?? 0) - own), Is.Zero);
        });
    }

    private static void Run(ILoadedLayer layer, float[] input, float[] output) => layer.Run(new FfnRows
    {
        Input = new ReadOnlySpan2D<float>(input, input.Length / 250, 250),
        Output = new Span2D<float>(output, output.Length / 250, 250),
        Mode = FfnMode.Block,
    });

    private void OnOneRank(FfnMemoryWeights weights, Action<ILoadedLayer, SoftwareDevice?> work)
    {
        using SoftwareDevice? device = TestBackends.StartDevice(backend);
        FfnEngineOptions options = TestBackends.OptionsOf(backend, 1).Resolve();
        Assert.That(ParallelPlan.TryParse("auto", out ParallelPlan plan), Is.True);
        NcclCollective joined = NcclCollective.TryJoin(
            LocalCollective.Create(1, RankTeam.Limit)[0], options.Device, 0, device?.AsNccl() ?? Real(), out string? problem)!;
        Assert.That(problem, Is.Null);
        using (var group = new ParallelBackend(CuBlasBackend.Open(options), joined, plan, FfnPrecision.Float32))
        using (ILoadedLayer layer = group.Prepare(Spec, weights))
        {
            work(layer, device);
            TestContext.Out.WriteLine(group.Description.Version);
        }

        device?.AssertClean();
        Assert.That(CudaUsage.CountOf(CudaKind.NcclCommunicator), Is.Zero);
    }

    private static NcclSource Real()
    {
        try
        {
            var library = NcclLibrary.Load(null);
            return new NcclSource(() => library, static () => CudaDriver.Start(CudaLoader.Driver(null)));
        }
        catch (NativeLibraryException missing)
        {
            Assert.Ignore(missing.Message);
            throw;
        }
    }
}
