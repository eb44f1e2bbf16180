using System.Text.Json;
using NativeFfn.Cli.Benchmarking;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

public sealed class BenchTests
{
    private static readonly string[] Fields =
    [
        "backend", "precision", "kind", "dModel", "dFf", "experts", "topK", "tokens", "medianMs", "minMs", "p95Ms", "p99Ms", "gflops", "gbPerSec", "allocatedBytesPerCall",
        "gemmShare", "threads", "runs", "weightBytes", "weightCopies", "isPastCache", "quantizationError", "gemms",
    ];

    [TestCase("llama-7b", 4096, 11008, "swiglu", false)]
    [TestCase("llama-3-8b", 4096, 14336, "swiglu", false)]
    [TestCase("tinyllama", 2048, 5632, "swiglu", false)]
    [TestCase("gpt2", 768, 3072, "gelu-tanh", true)]
    [TestCase("bert-base", 768, 3072, "gelu", true)]
    [TestCase("gemma-2b", 2048, 16384, "geglu-tanh", false)]
    public void A_preset_is_the_published_layer(string name, int dModel, int dFf, string kind, bool bias)
    {
        Assert.That(BenchPreset.TryParse(name.ToUpperInvariant(), out BenchPreset? preset), Is.True);
        Assert.That((preset!.Shape.DModel, preset.Shape.DFf, preset.Kind.Name, preset.Bias), Is.EqualTo((dModel, dFf, kind, bias)));
    }

    [Test]
    public void Preset_names_differ_and_their_layers_can_be_made()
    {
        Assert.That(BenchPreset.All.Select(static preset => preset.Name), Is.Unique);
        foreach (BenchPreset preset in BenchPreset.All)
        {
            Assert.That(FfnSpec.Create(preset.Kind, preset.Shape.DModel, preset.Shape.DFf, preset.Bias).ParameterCount, Is.Positive);
        }
    }

    [Test]
    public void The_load_generator_reads_the_answer()
    {
        CommandRun run = CommandRun.Done("bench", "--shape", "32x48", "--tokens", "2", "--backend", "managed", "--seconds", "0.01", "--json", "-");
        using JsonDocument json = JsonDocument.Parse(run.Out);
        double median = json.RootElement.GetProperty("rows")[0].GetProperty("medianMs").GetDouble();
        Assert.That(NativeFfn.Load.Scenarios.BenchAnswer.MedianMs(run.Out), Is.EqualTo(median));
    }

    [Test]
    public void Rows_are_JSON_of_every_backend_at_every_token_count()
    {
        CommandRun run = CommandRun.Done("bench", "--shape", "32x48", "--tokens", "1,3", "--seconds", "0.01", "--json", "-");
        using JsonDocument json = JsonDocument.Parse(run.Out);
        JsonElement[] rows = [.. json.RootElement.GetProperty("rows").EnumerateArray()];
        foreach (JsonElement row in rows)
        {
            Assert.That(row.EnumerateObject().Select(static field => field.Name), Is.EqualTo(Fields));
            Assert.That(row.GetProperty("medianMs").GetDouble(), Is.GreaterThanOrEqualTo(row.GetProperty("minMs").GetDouble()));
            Assert.That(row.GetProperty("p95Ms").GetDouble(), Is.InRange(row.GetProperty("medianMs").GetDouble(), row.GetProperty("p99Ms").GetDouble()));
            Assert.That(row.GetProperty("gemms").GetString(), Is.Not.Empty);
            Assert.That(row.GetProperty("gflops").GetDouble(), Is.Positive);
            Assert.That(row.GetProperty("gbPerSec").GetDouble(), Is.Positive);
            Assert.That(row.GetProperty("runs").GetInt32(), Is.GreaterThanOrEqualTo(5));
            Assert.That(row.GetProperty("gemmShare").GetDouble(), Is.InRange(0, 1));
        }

        Assert.That(json.RootElement.GetProperty("schema").GetInt32(), Is.EqualTo(2));
        JsonElement environment = json.RootElement.GetProperty("environment");
        Assert.That(
            environment.EnumerateObject().Select(static field => field.Name),
            Is.EqualTo(new[] { "version", "taken", "processor", "processors", "lastLevelCacheBytes", "operatingSystem", "architecture", "runtime" }));
        Assert.That(environment.GetProperty("processors").GetInt32(), Is.EqualTo(Environment.ProcessorCount));
        Assert.That(environment.GetProperty("processor").GetString(), Is.Not.Empty);

        int[] managed = [.. rows
            .Where(static row => row.GetProperty("backend").GetString() == "managed")
            .Select(static row => row.GetProperty("tokens").GetInt32())];
        Assert.That(managed, Is.EqualTo(new[] { 1, 3 }));
    }

    [Test]
    public void Every_precision_of_a_list_is_measured_with_what_it_takes_and_loses()
    {
        CommandRun run = CommandRun.Done(
            "bench", "--shape", "64x96", "--tokens", "1,2", "--backend", "managed", "--precision", "f32,int8,BF16", "--seconds", "0.01", "--json", "-");
        using JsonDocument json = JsonDocument.Parse(run.Out);
        JsonElement[] rows = [.. json.RootElement.GetProperty("rows").EnumerateArray()];
        Assert.That(
            rows.Select(static row => row.GetProperty("precision").GetString()), Is.EqualTo(new[] { "f32", "int8", "bf16", "f32", "int8", "bf16" }));

        // Rows are a multiple of any panel's, so that only the weights count: 4, 1.125 and 2 bytes each.
        const int weights = 3 * 64 * 96;
        Assert.That(rows.Take(3).Select(static row => row.GetProperty("weightBytes").GetInt64()), Is.EqualTo(new[] { 4 * weights, weights * 9 / 8, 2 * weights }));
        double[] errors = [.. rows.Take(3).Select(static row => row.GetProperty("quantizationError").GetDouble())];
        Assert.That(errors[0], Is.Zero);
        Assert.That(errors[1], Is.InRange(3e-3, 6e-3), "int8 of uniform weights");
        Assert.That(errors[2], Is.InRange(1e-3, 2e-3), "bf16");
    }

    [TestCase(true, 1)]
    [TestCase(false, 128)]
    public void Copies_of_the_weights_take_turns_unless_one_is_to_stay(bool resident, int copies)
    {
        string[] words = ["bench", "--shape", "16x16", "--tokens", "1", "--backend", "managed", "--seconds", "0.01", "--json", "-"];
        CommandRun run = CommandRun.Done(resident ? [.. words, "--resident"] : words);
        using JsonDocument json = JsonDocument.Parse(run.Out);
        Assert.That(json.RootElement.GetProperty("rows")[0].GetProperty("weightCopies").GetInt32(), Is.EqualTo(copies));
        Assert.That(json.RootElement.GetProperty("rows")[0].GetProperty("isPastCache").GetBoolean(), Is.False, "a kilobyte or 128 of them are in any last cache");
    }

    [Test]
    public void Rates_follow_from_the_median()
    {
        CommandRun run = CommandRun.Done(
            "bench", "--shape", "32x48", "--kind", "gelu", "--tokens", "2", "--backend", "managed", "--threads", "1", "--seconds", "0.01", "--json", "-");
        using JsonDocument json = JsonDocument.Parse(run.Out);
        JsonElement row = json.RootElement.GetProperty("rows")[0];
        double seconds = row.GetProperty("medianMs").GetDouble() / 1e3;

        // Two matrices of 32 x 48, a multiply-add counted as two, 2 tokens.
        Assert.That(row.GetProperty("gflops").GetDouble() * 1e9 * seconds, Is.EqualTo(2 * 2 * 32 * 48 * 2).Within(1e-6));
        Assert.That(row.GetProperty("gbPerSec").GetDouble() * 1e9 * seconds, Is.GreaterThanOrEqualTo(4 * ((2 * 32 * 48) + (2 * 2 * 32)) - 1e-6));
        Assert.That(row.GetProperty("kind").GetString(), Is.EqualTo("gelu"));
        Assert.That(row.GetProperty("threads").GetInt32(), Is.EqualTo(1));
    }

    // One token reads 2 of 64 experts: bytes by all experts would be some thirty times as many.
    [Test]
    public void A_mixture_counts_what_its_tokens_touch()
    {
        CommandRun run = CommandRun.Done(
            "bench", "--shape", "32x48", "--experts", "64", "--top-k", "2", "--tokens", "1", "--backend", "managed", "--threads", "1",
            "--seconds", "0.01", "--json", "-");
        using JsonDocument json = JsonDocument.Parse(run.Out);
        JsonElement row = json.RootElement.GetProperty("rows")[0];
        double seconds = row.GetProperty("medianMs").GetDouble() / 1e3;
        const int expert = 3 * 32 * 48;
        const int router = 64 * 32;
        Assert.That(row.GetProperty("experts").GetInt32(), Is.EqualTo(64));
        Assert.That(row.GetProperty("topK").GetInt32(), Is.EqualTo(2));
        Assert.That(row.GetProperty("gflops").GetDouble() * 1e9 * seconds, Is.EqualTo(2 * ((2 * expert) + router)).Within(1e-6));
        double touched = 4 * ((2 * expert) + router + (2 * 32));
        Assert.That(row.GetProperty("gbPerSec").GetDouble() * 1e9 * seconds, Is.InRange(touched - 1e-6, 2 * touched));
    }

    [Test]
    public void Csv_and_Markdown_have_the_tables_columns_and_every_row()
    {
        using var folder = new CommandFolder();
        CommandRun.Done(
            "bench", "--shape", "16x16", "--tokens", "1,2", "--backend", "managed", "--seconds", "0.01", "--csv", folder["rows.csv"],
            "--markdown", folder["rows.md"], "--json", folder["rows.json"]);
        string[][] csv = [.. File.ReadLines(folder["rows.csv"]).Select(static line => line.Split(','))];
        string[][] markdown =
            [.. File.ReadLines(folder["rows.md"]).Where(static line => line.StartsWith('|')).Select(static line => line.Trim('|', ' ').Split('|'))];
        Assert.That(csv, Has.Length.EqualTo(3).And.All.Length.EqualTo(csv[0].Length));
        Assert.That(markdown, Has.Length.EqualTo(4).And.All.Length.EqualTo(csv[0].Length));

        // Numbers in full, by JSON's own names.
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(folder["rows.json"]));
        JsonElement second = json.RootElement.GetProperty("rows")[1];
        Assert.That(csv[2], Is.EqualTo(csv[0].Select(name => second.GetProperty(name).ToString())));
        Assert.That(markdown[3][0].Trim(), Is.EqualTo("2"));
        Assert.That(File.ReadAllText(folder["rows.md"]), Does.Contain("multiplies by panels").And.Contain("NativeFfn "));
    }

    [Test]
    public void One_form_alone_can_go_to_standard_output() =>
        CommandRun.Of("bench", "--shape", "8x8", "--json", "-", "--csv", "-").ShouldRefuse("--json and --csv", "name a file");

    [TestCase(0.5, 2)]
    [TestCase(0.95, 4)]
    [TestCase(0.25, 1)]
    [TestCase(0.26, 2)]
    [TestCase(1, 4)]
    public void A_percentile_is_the_nearest_rank(double part, double expected) =>
        Assert.That(Times.Percentile([4, 2, 3, 1], part), Is.EqualTo(expected));

    [Test]
    public void The_file_is_written_beside_the_table()
    {
        using var folder = new CommandFolder();
        CommandRun run = CommandRun.Done(
            "bench", "--shape", "16x16", "--tokens", "1", "--backend", "managed", "--seconds", "0.01", "--json", folder["rows.json"]);
        Assert.That(run.Out, Does.Contain("GFLOP/s").And.Contain("managed").And.Contain("f32").And.Contain("weight error").And.Not.Contain("\e["));
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(folder["rows.json"]));
        Assert.That(json.RootElement.GetProperty("rows").GetArrayLength(), Is.EqualTo(1));
        Assert.That(folder.Entries, Is.EqualTo(new[] { "rows.json" }));
    }

    [Test]
    public void A_backend_that_is_not_there_is_refused()
    {
        using var folder = new CommandFolder();
        CommandRun.Of("bench", "--shape", "16x16", "--backend", "mkl", "--mkl-path", folder["nowhere"]).ShouldRefuse("'mkl'", "nowhere");
    }
}
