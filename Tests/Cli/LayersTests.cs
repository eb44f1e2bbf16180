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
}
