using System.Text.Json;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

public sealed class LayersTests
{
    [Test]
    public void Every_layer_is_listed_with_its_formula_and_bytes()
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint("geglu", "24x40", "bf16");
        CommandRun run = CommandRun.Done("layers", "--model", model);
        Assert.That(run.Out, Does.Contain("llama, 2 feed-forward layers").And.Contain("x + F(rmsnorm["));
        using JsonDocument json = JsonDocument.Parse(CommandRun.Done("layers", "--model", model, "--json").Out);
        JsonElement layer = json.RootElement.GetProperty("layers")[1];
        Assert.That(layer.GetProperty("kind").GetString(), Is.EqualTo("geglu"));
        Assert.That(layer.GetProperty("weightType").GetString(), Is.EqualTo("BF16"));
        Assert.That(layer.GetProperty("bytes").GetInt64(), Is.EqualTo(sizeof(ushort) * ((3 * 24 * 40) + 24)));
        Assert.That(layer.GetProperty("problem").ValueKind, Is.EqualTo(JsonValueKind.Null));
    }

    [Test]
    public void A_layer_that_cannot_run_says_why_beside_those_that_can()
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint();
        folder.RemoveTensor("model.layers.1.mlp.up_proj.weight");
        CommandRun run = CommandRun.Done("layers", "--model", model);
        Assert.That(run.Out, Does.Contain("layer 1 cannot run: ").And.Contain("has no tensor 'model.layers.1.mlp.up_proj.weight'"));
    }

    [Test]
    public void The_formula_of_a_block_has_its_norms_factors_and_residual() => Assert.Multiple(static () =>
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 4, 8);
        var norm = new NormSpec(NormKind.Rms, 1e-6f);
        Assert.That(spec.BlockFormula, Is.EqualTo("x + F(x)"));
        Assert.That(
            spec.WithNorms(pre: norm, branch: new NormSpec(NormKind.Layer, 0.5f))
                .WithBlockForm(new BlockForm { BranchFactor = 0.5f, ResidualFactor = 2, ResidualIsNormed = true, HasBranchScale = true })
                .BlockFormula,
            Is.EqualTo("2 · rmsnorm[1e-6](x) + 0.5 · s ⊙ layernorm[5e-1](F(rmsnorm[1e-6](x)))"));
        Assert.That(spec.WithNorms(post: norm).BlockFormula, Is.EqualTo("rmsnorm[1e-6](x + F(x))"));
        Assert.That(spec.WithoutBlock("it has none.").BlockFormula, Is.Null);
        Assert.That(FfnSpec.Stack(new FfnStage(FfnKind.Relu, 4, 8, false)).BlockFormula, Is.Null, "it does not keep its width");
    });
}
