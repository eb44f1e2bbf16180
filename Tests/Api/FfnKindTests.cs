using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>Names of layer kinds and of backends.</summary>
public class FfnKindTests
{
    [TestCase("relu", false, "relu")]
    [TestCase("relu2", false, "relu2")]
    [TestCase("gelu", false, "gelu")]
    [TestCase("gelu-tanh", false, "gelu-tanh")]
    [TestCase("quick-gelu", false, "quick-gelu")]
    [TestCase("silu", false, "silu")]
    [TestCase("swiglu", true, "silu")]
    [TestCase("geglu", true, "gelu")]
    [TestCase("geglu-tanh", true, "gelu-tanh")]
    [TestCase("reglu", true, "relu")]
    [TestCase("glu", true, "sigmoid")]
    [TestCase("clamped-swiglu", true, "clamped-silu")]
    [TestCase("bilinear", true, "identity")]
    [TestCase("identity", false, "identity")]
    [TestCase("sigmoid", false, "sigmoid")]
    public void Names_and_kinds_belong_together(string name, bool gated, string activation)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(FfnKind.TryParse(name.ToUpperInvariant(), out FfnKind kind), Is.True);
            Assert.That(kind, Is.EqualTo(new FfnKind(gated, ReferenceMath.Named(activation))));
            Assert.That(kind.Name, Is.EqualTo(name));
            Assert.That(FfnKind.Named, Does.Contain(kind));
        }
    }

    [Test]
    public void Every_plain_kind_and_some_gated_ones_have_a_name_of_their_own()
    {
        Assert.That(FfnKind.Named.Select(static kind => kind.Name), Is.Unique);
        Assert.That(FfnKind.Named.Count(static kind => !kind.Gated), Is.EqualTo(Activation.All.Length));
        Assert.That(FfnKind.Named.Count(static kind => kind.Gated), Is.InRange(6, Activation.All.Length));
    }

    [TestCase(true, "quick-gelu", "gated-quick-gelu")]
    [TestCase(true, "relu2", "gated-relu2")]
    public void Other_kinds_are_called_by_their_parts(bool gated, string activation, string name) =>
        Assert.That(new FfnKind(gated, ReferenceMath.Named(activation)).ToString(), Is.EqualTo(name));

    [TestCase(null)]
    [TestCase("")]
    [TestCase("swish")]
    [TestCase("swiglu ")]
    public void Unknown_names_are_no_kind(string? name) => Assert.That(FfnKind.TryParse(name, out _), Is.False);

    [Test]
    public void Backends_are_spelled_and_parsed_alike([Values] BackendKind backend)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Names<BackendKind>.TryParse(Names<BackendKind>.Of(backend).ToUpperInvariant(), out BackendKind parsed), Is.True);
            Assert.That(parsed, Is.EqualTo(backend));
            Assert.That(Names<BackendKind>.All, Does.Contain(Names<BackendKind>.Of(backend)));
            Assert.That(Names<BackendKind>.TryParse("mkI", out _), Is.False);
        }
    }
}
