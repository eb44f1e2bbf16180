using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>The queue's promises under interleavings that a seed decides, held against a list of what was sent.</summary>
public sealed class QueuePropertyTests
{
    private const int Seeds = 300;
    private const int Steps = 120;

    [Test]
    public void Whatever_happens_in_between_every_request_is_answered_once_in_order_and_within_bounds()
    {
        using FfnEngine engine = TestBackends.Open(BackendKind.Managed, threads: 1);
        (FfnSpec spec, FfnMemoryWeights weights) = FfnServer.ExactLayer(1, dModel: 4, dFf: 8);
        using FfnLayer first = engine.CreateLayer(spec, weights);
        using FfnLayer second = engine.CreateLayer(spec, weights);
        for (int seed = 0; seed < Seeds; seed++)
        {
            using var model = new QueueModel(seed, first, second);
            Assert.That(() => model.Run(Steps), Throws.Nothing, $"seed {seed}");
        }
    }
}
