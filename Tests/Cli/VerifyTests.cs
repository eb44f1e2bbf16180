using System.Text.Json;
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
        Assert.That(ModesOf(report, "reference"), Is.Empty, "what the others are compared with");
        foreach (JsonElement row in report.GetProperty("rows").EnumerateArray())
        {
            Assert.That(row.GetProperty("relativeL2").GetDouble(), Is.InRange(1e-9, row.GetProperty("tolerance").GetDouble()));
            Assert.That(row.GetProperty("maxAbsError").GetDouble(), Is.Positive);
        }
    }

    [TestCase("f32", "f32")]
    [TestCase("f32", "bf16")]
    [TestCase("f32", "f16")]
    [TestCase("f32", "int8")]
    [TestCase("bf16", "bf16")]
    [TestCase("f16", "f16")]
    public void What_a_precision_loses_widens_the_tolerance_and_nothing_else_does(string type, string precision)
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint("swiglu", "40x72", type);
        using JsonDocument json = JsonDocument.Parse(CommandRun.Done("verify", "--model", model, "--precision", precision, "--json").Out);
        JsonElement report = json.RootElement;
        Assert.That(report.GetProperty("passed").GetBoolean(), Is.True);
        Assert.That(report.GetProperty("precision").GetString(), Is.EqualTo(precision));
        bool lossless = precision == "f32" || precision == type;
        foreach (JsonElement row in report.GetProperty("rows").EnumerateArray())
        {
            double lost = row.GetProperty("quantizationError").GetDouble();
            Assert.That(lost, lossless ? Is.Zero : Is.Positive);

            // 1e-6 + 2⁻²⁴ · √72 + 4 · e, to which rows of 16-bit integers add √(32 / 12) / 32512, and those of bfloat16 2⁻⁹
            double rows = precision switch { "int8" => Math.Sqrt(32 / 12.0) / 32512, "bf16" => 1.0 / 512, _ => 0 };
            Assert.That(row.GetProperty("tolerance").GetDouble(), Is.EqualTo(1.505764e-6 + (4 * (lost + rows))).Within(1e-11));
            Assert.That(row.GetProperty("relativeL2").GetDouble(), Is.GreaterThanOrEqualTo(lost / 20), "the precision was used");
        }
    }

    [TestCase("f16", 1e5f)]
    [TestCase("int8", float.PositiveInfinity)]
    public void A_weight_that_does_not_fit_is_refused(string precision, float weight)
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint();
        folder.SetWeight("model.layers.0.mlp.down_proj.weight", 45, weight);
        CommandRun.Of("verify", "--model", model, "--precision", precision).ShouldRefuse("down.weight[1, ", precision, "f32");
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

    [Test]
    public void A_mixture_is_verified_with_few_experts_in_memory_and_in_any_precision([Values("f32", "bf16", "int8")] string precision)
    {
        using var folder = new CommandFolder();
        CommandRun.Done("init", "--shape", "64x96", "--experts", "6", "--top-k", "2", "--output", folder["model"]);
        CommandRun run = CommandRun.Done(
            "verify", "--model", folder["model"], "--precision", precision, "--max-resident-experts", "2", "--tokens", "9");
        Assert.That(run.Out, Does.Contain("ok").And.Not.Contain("WRONG"));
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
    public void A_backend_that_must_be_there_and_is_not_is_an_error_with_its_reason()
    {
        using var folder = new CommandFolder();
        string[] words = ["verify", "--model", folder.Checkpoint(), "--mkl-path", folder["nowhere"]];
        CommandRun.Done([.. words, "--require", "managed"]);
        CommandRun run = CommandRun.Of([.. words, "--require", "managed,mkl"]);
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.StartWith("nativeffn: error: Backend 'mkl' is not available").And.Contain(folder["nowhere"]).And.Match("^[^\n]*\n$"));
        Assert.That(run.Out, Does.Contain("managed").And.Contain("ok"), "what could be verified is shown");

        // A precision that a backend lacks is a reason as any other.
        Assert.That(CommandRun.Of([.. words, "--require", "cublas", "--precision", "int8"]).Error, Does.Contain("'cublas'").And.Contain("int8"));
    }

    [TestCase("mlp.down_proj.weight", 45, float.NaN, "down.weight[1, 5] is NaN")]
    [TestCase("mlp.up_proj.weight", 0, float.PositiveInfinity, "up.weight[0, 0] is Infinity")]
    [TestCase("post_attention_layernorm.weight", 3, float.NaN, "[0, 3] is NaN")]
    public void A_weight_that_is_no_number_is_named_and_no_backend_blamed(string tensor, int index, float weight, string named)
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint();
        folder.SetWeight("model.layers.0." + tensor, index, weight);
        CommandRun run = CommandRun.Of("verify", "--model", model);
        run.ShouldRefuse(named, "nothing to compare with");
        Assert.That(run.Out, Does.Not.Contain("WRONG"));
    }

    [Test]
    public void A_routers_weight_that_is_no_number_is_named()
    {
        using var folder = new CommandFolder();
        CommandRun.Done("init", "--shape", "24x40", "--experts", "4", "--output", folder["model"]);
        folder.SetWeight("model.layers.0.block_sparse_moe.gate.weight", 30, float.NaN);
        CommandRun.Of("verify", "--model", folder["model"]).ShouldRefuse("[1, 6] is NaN");
    }

    [Test]
    public void Where_nothing_could_be_verified_the_input_is_at_fault_and_no_backend()
    {
        using var folder = new CommandFolder();
        string[] words = ["verify", "--model", folder.Checkpoint(), "--mkl-path", folder["nowhere"], "--kernel", "sgemm"];
        CommandRun run = CommandRun.Of(words);
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.StartWith("nativeffn: error: No backend could be verified. ").And.Contain("mkl: ").And.Contain("managed: "));
        Assert.That(run.Out, Does.Contain("not verified: mkl"));
    }

    private static string?[] ModesOf(JsonElement report, string backend) =>
    [
        .. report.GetProperty("rows").EnumerateArray()
            .Where(row => row.GetProperty("backend").GetString() == backend)
            .Select(static row => row.GetProperty("mode").GetString()),
    ];
}
