using System.Text.Json;
using System.Xml.Linq;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

/// <summary>What <c>plan</c> predicts, against the same computed by hand and against tokens thrown at random.</summary>
public sealed class PlanTests
{
    private const double Tolerance = 1e-9;
    private static readonly string[] Given = ["--memory-rate", "10", "--compute-rate", "100", "--link", "2,5"];

    [Test]
    public void One_rank_takes_what_weights_or_arithmetic_take()
    {
        JsonElement[] rows = Rows("--shape", "1024x4096", "--precision", "bf16", "--ranks", "1", "--tokens", "1,1000");
        const double weights = 3.0 * 1024 * 4096;
        Assert.That(Number(rows[0], "rankBytes"), Is.EqualTo(2 * weights));
        Assert.That(Number(rows[0], "ms"), Is.EqualTo(2 * weights / 10e9 * 1e3).Within(Tolerance));
        Assert.That(Number(rows[1], "ms"), Is.EqualTo(1000 * 2 * weights / 100e9 * 1e3).Within(Tolerance));
        Assert.That(Number(rows[1], "microsecondsPerToken"), Is.EqualTo(Number(rows[1], "ms")).Within(Tolerance));
        Assert.That(rows.Select(static row => row.GetProperty("bottleneck").GetString()), Is.EqualTo(new[] { "memory", "arithmetic" }));
        Assert.That(rows.Select(static row => Number(row, "collectiveMs")), Has.All.Zero);
    }

    [Test]
    public void Ranks_share_weights_and_pay_for_a_broadcast_and_an_all_reduce()
    {
        JsonElement row = Rows("--shape", "1024x4096", "--ranks", "4", "--tokens", "8").Single();
        const double bytes = 8 * 4 * 1024;

        // Two steps of a tree take less than a ring of so few bytes; the broadcast has a message of 16 bytes before the rows.
        double collectives = (2 * (5e-6 + (bytes / 2e9))) + (2 * (5e-6 + ((bytes + 16) / 2e9)));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Number(row, "rankBytes"), Is.EqualTo(4.0 * 3 * 1024 * 4096 / 4));
            Assert.That(Number(row, "collectiveMs"), Is.EqualTo(collectives * 1e3).Within(Tolerance));
            Assert.That(Number(row, "ms"), Is.EqualTo(Number(row, "computeMs") + Number(row, "collectiveMs")).Within(Tolerance));
            Assert.That(Number(row, "rankTrafficBytes"), Is.EqualTo(bytes + 16 + (2 * 0.75 * bytes)).Within(Tolerance));
            Assert.That(row.GetProperty("isBest").GetBoolean(), Is.True);
        }
    }

    [Test]
    public void A_stack_adds_up_the_results_of_its_pairs_alone()
    {
        using var folder = new CommandFolder();
        CommandRun.Done("init", "--stack", "24x40x32x48x16", "--output", folder["stack"]);
        JsonElement row = Rows("--model", folder["stack"], "--precision", "f32", "--ranks", "2", "--tokens", "1").Single();

        // The last stage alone is linear, so that the two before it run whole on every rank, biases included.
        const double told = 16 + (4 * 24);
        const double summed = 4 * 16;
        Assert.That(Number(row, "rankTrafficBytes"), Is.EqualTo(told + (2 * 0.5 * summed)).Within(Tolerance));
    }

    [TestCase(1)]
    [TestCase(4)]
    [TestCase(64)]
    public void A_mixture_s_busiest_rank_reads_what_tokens_at_random_make_it_read(int tokens)
    {
        const int experts = 64;
        const int topK = 4;
        const int groups = 4;
        JsonElement row = Rows(
            "--shape", "512x1024", "--experts", $"{experts}", "--top-k", $"{topK}", "--ranks", $"{groups}", "--tokens", $"{tokens}",
            "--compute-rate", "1000000000").Single(static row => row.GetProperty("plan").GetString() == $"tensor=1,expert={groups}");
        const double expertBytes = 4.0 * 3 * 512 * 1024;
        double read = ((Number(row, "computeMs") / 1e3 * 10e9) - (4.0 * experts * 512)) / expertBytes;
        Assert.That(read, Is.EqualTo(BusiestOfRandom(tokens, experts, topK, groups)).Within(15).Percent);
    }

    [Test]
    public void A_plan_that_does_not_fit_is_never_the_best_and_one_that_cannot_be_says_why()
    {
        using JsonDocument answer = JsonDocument.Parse(CommandRun.Done(
            ["plan", "--shape", "64x48", "--experts", "2", "--ranks", "3,4", "--tokens", "1", "--memory", "0.000001", "--json", .. Given]).Out);
        JsonElement[] rows = [.. answer.RootElement.GetProperty("rows").EnumerateArray()];
        JsonElement[] refused = [.. Rows(answer, "refused")];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(rows.Select(static row => row.GetProperty("plan").GetString()),
                Is.EqualTo(new[] { "tensor=3,expert=1", "tensor=4,expert=1", "tensor=2,expert=2" }));
            Assert.That(rows.Select(static row => row.GetProperty("fits").GetBoolean() || row.GetProperty("isBest").GetBoolean()), Has.All.False);
            Assert.That(refused, Is.Empty);
        }

        CommandRun text = CommandRun.Done(["plan", "--shape", "64x3", "--ranks", "4", .. Given]);
        Assert.That(text.Out, Does.Contain("tensor=4,expert=1 cannot be: ").And.Contain("3 ranks at most"));
    }

    [Test]
    public void A_checkpoint_s_own_encodings_count()
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint("swiglu", "64x96", "bf16");
        JsonElement row = Rows("--model", model, "--layer", "1", "--precision", "stored", "--ranks", "2", "--tokens", "1").Single();

        // Half of the three matrices in bf16; norms are around the network, and with rank 0 alone.
        Assert.That(Number(row, "rankBytes"), Is.EqualTo(2.0 * 3 * 64 * 96 / 2));
    }

    [Test]
    public void The_picture_has_two_bars_for_each_plan()
    {
        using var folder = new CommandFolder();
        CommandRun.Done(
            ["plan", "--preset", "qwen3-30b-a3b", "--ranks", "1,8", "--tokens", "1,64", "--svg", folder["plan.svg"], .. Given]);
        XNamespace svg = "http://www.w3.org/2000/svg";
        XElement picture = XDocument.Load(folder["plan.svg"]).Root!;

        // (1 + 4) plans at two token counts, beside the ground and two keys.
        Assert.That(picture.Elements(svg + "rect").Count(), Is.EqualTo(3 + (2 * 2 * 5)));
        Assert.That(picture.Elements(svg + "text").Count(static text => text.Value.EndsWith("(best)", StringComparison.Ordinal)), Is.EqualTo(4));
    }

    [Test]
    public void Rates_that_are_left_out_are_measured_and_a_link_has_to_be_named()
    {
        CommandRun run = CommandRun.Done(
            "plan", "--shape", "64x96", "--ranks", "1", "--tokens", "1", "--backend", "managed", "--threads", "1", "--seconds", "0.01");
        Assert.That(run.Out, Does.Contain("measured on this machine"));
        CommandRun.Of("plan", "--ranks", "2", "--memory-rate", "1", "--compute-rate", "1").ShouldRefuse("--link is missing", "--link 25,2");
        CommandRun.Of("plan").ShouldRefuse("--ranks is missing", "mpirun");
        CommandRun.Of("plan", "--model", "x", "--shape", "2x2").ShouldRefuse("--model", "give one of them");
        CommandRun.Of("plan", "--ranks", "2", "--link", "1").ShouldRefuse("--link is '1'", "such as 25,2");
        CommandRun.Of("plan", "--ranks", "0").ShouldRefuse("--ranks is '0'", "from 1 to");
        CommandRun.Of("plan", "--memory-rate", "-1").ShouldRefuse("--memory-rate", "above 0");
    }

    private static JsonElement[] Rows(params string[] arguments)
    {
        string[] given = [.. Given.Chunk(2).Where(pair => !arguments.Contains(pair[0])).SelectMany(static pair => pair)];
        return Rows(JsonDocument.Parse(CommandRun.Done(["plan", "--json", .. given, .. arguments]).Out), "rows");
    }

    private static JsonElement[] Rows(JsonDocument answer, string name) => [.. answer.RootElement.GetProperty(name).EnumerateArray()];

    private static double Number(JsonElement row, string name) => row.GetProperty(name).GetDouble();

    // The mean, over many forwards, of the most experts that a group of them has to read.
    private static double BusiestOfRandom(int tokens, int experts, int topK, int groups)
    {
        const int forwards = 2000;
        var random = new Random(1);
        int[] all = [.. Enumerable.Range(0, experts)];
        double sum = 0;
        for (int forward = 0; forward < forwards; forward++)
        {
            var read = new HashSet<int>();
            for (int token = 0; token < tokens; token++)
            {
                random.Shuffle(all);
                read.UnionWith(all.Take(topK));
            }

            sum += read.GroupBy(expert => expert * groups / experts).Max(static group => group.Count());
        }

        return sum / forwards;
    }
}
