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
    [Test]
    public void One_rank_alone_sends_rows_to_itself([Values(1, 40)] int tokens)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 250, 682, bias: true).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 59_000);
        float[] input = RandomLayers.Rows(tokens, 250, 59_001);
        using SoftwareDevice? device = TestBackends.StartDevice(backend);
        FfnEngineOptions options = TestBackends.OptionsOf(backend, 1).Resolve();
        ParallelPlan.TryParse("auto", out ParallelPlan plan);
        NcclCollective joined = NcclCollective.TryJoin(
            LocalCollective.Create(1, RankTeam.Limit)[0], options.Device, 0, device?.AsNccl() ?? Real(), out string? problem)!;
        Assert.That(problem, Is.Null);
        using (var group = new ParallelBackend(CuBlasBackend.Open(options), joined, plan, FfnPrecision.Float32))
        using (ILoadedLayer layer = group.Prepare(spec, weights))
        {
            float[][] runs = [.. Enumerable.Range(0, 2).Select(_ =>
            {
                float[] output = new float[input.Length];
                layer.Run(new FfnRows
                {
                    Input = new ReadOnlySpan2D<float>(input, tokens, 250),
                    Output = new Span2D<float>(output, tokens, 250),
                    Mode = FfnMode.Block,
                });
                return output;
            })];
            Tolerances.AssertClose(runs[0], Oracle.Run(spec, weights, FfnMode.Block, input, input).Output, Tolerances.Of(spec), "one rank");
            Assert.That(runs[1], Is.EqualTo(runs[0]));
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
