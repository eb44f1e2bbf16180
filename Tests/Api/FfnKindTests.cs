using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>Names of layer kinds and of backends.</summary>
public class FfnKindTests
{
    [TestCase("relu", false, Activation.Relu)]
    [TestCase("relu2", false, Activation.SquaredRelu)]
    [TestCase("gelu", false, Activation.Gelu)]
    [TestCase("gelu-tanh", false, Activation.GeluTanh)]
    [TestCase("quick-gelu", false, Activation.QuickGelu)]
    [TestCase("silu", false, Activation.Silu)]
    [TestCase("swiglu", true, Activation.Silu)]
    [TestCase("geglu", true, Activation.Gelu)]
    [TestCase("geglu-tanh", true, Activation.GeluTanh)]
    [TestCase("reglu", true, Activation.Relu)]
    [TestCase("glu", true, Activation.Sigmoid)]
    [TestCase("bilinear", true, Activation.Identity)]
    public void Names_and_kinds_belong_together(string name, bool gated, Activation activation)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(FfnKind.TryParse(name.ToUpperInvariant(), out FfnKind kind), Is.True);
            Assert.That(kind, Is.EqualTo(new FfnKind(gated, activation)));
            Assert.That(kind.Name, Is.EqualTo(name));
            Assert.That(FfnKind.Named, Does.Contain(kind));
        }
    }

    [Test]
    public void Twelve_kinds_have_a_name_of_their_own() => Assert.That(FfnKind.Named, Is.Unique.And.Length.EqualTo(12));

    [TestCase(false, Activation.Identity, "identity")]
    [TestCase(true, Activation.SquaredRelu, "gated-squaredrelu")]
    public void Other_kinds_are_called_by_their_parts(bool gated, Activation activation, string name) =>
        Assert.That(new FfnKind(gated, activation).ToString(), Is.EqualTo(name));

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
