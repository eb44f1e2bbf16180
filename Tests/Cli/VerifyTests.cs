using System.Text.Json;
using NativeFfn.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

public sealed class VerifyTests
{
    [Test]
    public void Every_mode_of_a_backend_is_verified([Values("f32", "bf16", "f16")] string type)
    {
        using var folder = new CommandFolder();
        CommandRun run = CommandRun.Done("verify", "--model", folder.Checkpoint("geglu", "40x72", type), "--layer", "1", "--json");
        using JsonDocument json = JsonDocument.Parse(run.Out);
        JsonElement report = json.RootElement;
        Assert.That(report.GetProperty("passed").GetBoolean(), Is.True);
        Assert.That(report.GetProperty("weightType").GetString(), Is.EqualTo(type.ToUpperInvariant()));
        Assert.That(ModesOf(report, "managed"), Is.EqualTo(new[] { "ffn", "residual", "block" }));
        foreach (JsonElement row in report.GetProperty("rows").EnumerateArray())
        {
            Assert.That(row.GetProperty("relativeL2").GetDouble(), Is.InRange(1e-9, row.GetProperty("tolerance").GetDouble()));
            Assert.That(row.GetProperty("maxAbsError").GetDouble(), Is.Positive);
        }
    }

    [Test]
    [Category("Mkl")]
    public void Mkl_is_verified_where_it_is_found()
    {
        TestBackends.Open(BackendKind.Mkl, 1).Dispose();
        using var folder = new CommandFolder();
        using JsonDocument json = JsonDocument.Parse(CommandRun.Done("verify", "--model", folder.Checkpoint(), "--json").Out);
        Assert.That(ModesOf(json.RootElement, "mkl"), Is.EqualTo(new[] { "ffn", "residual", "block" }));
    }

    [Test]
    public void A_mixture_is_verified_by_the_experts_it_chooses()
    {
        using var folder = new CommandFolder();
        CommandRun.Done("init", "--shape", "40x24", "--experts", "16", "--top-k", "3", "--layers", "2", "--output", folder["model"]);
        using JsonDocument json = JsonDocument.Parse(
            CommandRun.Done("verify", "--model", folder["model"], "--layer", "1", "--tokens", "30", "--json").Out);
        Assert.That(ModesOf(json.RootElement, "managed"), Is.EqualTo(new[] { "ffn", "residual", "block" }));
        Assert.That(json.RootElement.GetProperty("experts").GetInt32(), Is.EqualTo(16));
        Assert.That(json.RootElement.GetProperty("topK").GetInt32(), Is.EqualTo(3));
        Assert.That(CommandRun.Done("verify", "--model", folder["model"]).Out, Does.Contain("swiglu 40x24 (16 experts, top 3)"));
    }

    [TestCase("mixtral")]
    [TestCase("qwen2_moe")]
    public void Golden_mixtures_are_verified(string golden) =>
        Assert.That(CommandRun.Done("verify", "--model", GoldenCases.Find(golden).Directory).Out, Does.Contain("(4 experts, top 2)").And.Contain("ok"));

    [Test]
    public void A_table_shows_the_verdicts_and_what_was_left_out()
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint();
        CommandRun run = CommandRun.Done("verify", "--model", model, "--mkl-path", folder["nowhere"]);
        Assert.That(run.Out, Does.Contain("relative L2").And.Contain("ok").And.Contain("not verified: mkl").And.Not.Contain("\e["));
    }

    [Test]
    public void Weights_that_are_no_numbers_are_a_mismatch()
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint();
        Dictionary<string, (long[] Shape, float[] Values)> tensors = folder.Read("model/model.safetensors");
        tensors["model.layers.0.mlp.down_proj.weight"].Values[5] = float.NaN;
        using (var writer = new SafetensorsWriter(
            Path.Combine(model, "model.safetensors"), [.. tensors.Select(static tensor => (tensor.Key, "F32", tensor.Value.Shape))]))
        {
            foreach ((_, float[] values) in tensors.Values)
            {
                writer.Write(values);
            }

            writer.Commit();
        }

        CommandRun run = CommandRun.Of("verify", "--model", model);
        Assert.That(run.ExitCode, Is.EqualTo(1));
        Assert.That(run.Out, Does.Contain("WRONG").And.Contain("NaN"));
        Assert.That(run.Error, Is.Empty);
        using JsonDocument json = JsonDocument.Parse(CommandRun.Of("verify", "--model", model, "--json").Out);
        Assert.That(json.RootElement.GetProperty("passed").GetBoolean(), Is.False);
    }

    private static string?[] ModesOf(JsonElement report, string backend) =>
    [
        .. report.GetProperty("rows").EnumerateArray()
            .Where(row => row.GetProperty("backend").GetString() == backend)
            .Select(static row => row.GetProperty("mode").GetString()),
    ];
}
