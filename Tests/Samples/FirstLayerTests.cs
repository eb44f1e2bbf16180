using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Samples;

public sealed class FirstLayerTests
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "FirstLayer.dll");

    [Test]
    public void It_runs_a_layer_of_a_checkpoint() =>
        FirstLayer.AssertPrinted(DotnetProcess.Done(AppContext.BaseDirectory, new Dictionary<string, string?>(), Program, FirstLayer.Checkpoint.Directory));

    [Test]
    public void It_runs_without_a_checkpoint() =>
        Assert.That(DotnetProcess.Done(AppContext.BaseDirectory, new Dictionary<string, string?>(), Program), Does.StartWith("swiglu 512x1376 on "));
}
