extern alias comparison;

using System.CommandLine;
using System.Text.Json;
using comparison::NativeFfn.Comparison;
using comparison::NativeFfn.Comparison.Callers;
using comparison::NativeFfn.Comparison.Measuring;
using comparison::NativeFfn.Comparison.Reporting;
using comparison::NativeFfn.Comparison.Subjects;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

/// <summary><c>build/bench.sh</c>: what is measured by default, what is refused, and that results say what they are of.</summary>
public sealed class PeerComparisonTests
{
    private static readonly Machine Here = new("a processor", 2, 256, ".NET", "an OS");

    [Test]
    public void Reduced_precisions_are_measured_unless_others_are_named()
    {
        Assert.That(
            SubjectCatalog.DefaultNames, Is.EqualTo(new[] { "managed", "managed-bf16", "managed-int8", "mkl", "onnx", "mkl-sgemm", "openblas" }));
        Assert.That(SubjectCatalog.Names, Is.SupersetOf(SubjectCatalog.DefaultNames).And.Unique);
        Assert.That(PlanOf("").Subjects, Is.Empty);
        Assert.That(PlanOf("--subjects mkl-int8,managed-f16,onnx").Subjects, Is.EqualTo(new[] { "mkl-int8", "managed-f16", "onnx" }));
    }

    [Test]
    public void Callers_are_measured_only_where_asked_for()
    {
        Assert.That(PlanOf("").Callers, Is.Zero);
        Assert.That(PlanOf("--callers 4").Callers, Is.EqualTo(4));
    }

    [TestCase("--subjects mkl-int4", "--subjects", "mkl-int4", "mkl-int8")]
    [TestCase("--subjects mkl,mkl", "--subjects", "mkl,mkl")]
    [TestCase("--callers 0", "--callers", "'0'")]
    [TestCase("--callers few", "--callers", "'few'")]
    [TestCase("--tokens 1,1", "--tokens", "'1,1'")]
    public void Is_refused(string line, params string[] named)
    {
        ParseResult parsed = ComparisonCommand.Create(static _ => Assert.Fail("nothing should run")).Parse(line.Split(' '));
        Assert.That(parsed.Errors, Has.Count.EqualTo(1));
        foreach (string name in named)
        {
            Assert.That(parsed.Errors[0].Message, Does.Contain(name));
        }
    }

    [Test]
    public void Weights_are_normally_distributed_and_the_same_in_every_run()
    {
        using var weights = new LayerWeights(64, 193);
        using var again = new LayerWeights(64, 193);
        double[] values = [.. weights.Gate.Span.ToArray().Concat(weights.Up.Span.ToArray()).Concat(weights.Down.Span.ToArray()).Select(static w => (double)w)];
        double deviation = Math.Sqrt(2.0 / (64 + 193));
        Assert.Multiple(() =>
        {
            // Four deviations of 37056 numbers' mean, second and fourth moment; the fourth of a uniform distribution would be 1.8.
            Assert.That(values.Average() / deviation, Is.EqualTo(0).Within(0.021));
            Assert.That(values.Average(w => Math.Pow(w / deviation, 2)), Is.EqualTo(1).Within(0.03));
            Assert.That(values.Average(w => Math.Pow(w / deviation, 4)), Is.EqualTo(3).Within(0.21));
            Assert.That(again.Down.Span.ToArray(), Is.EqualTo(weights.Down.Span.ToArray()));
            Assert.That(weights.Up.Span[0], Is.Not.EqualTo(weights.Gate.Span[0]));
        });
    }

    [Test]
    public void Every_precision_is_compared_with_the_same_backend_in_f32_and_shows_its_error()
    {
        ShapeResult result = Measure("--shape 64x96 --tokens 1,3 --seconds 0.01 --subjects managed,managed-bf16,managed-f16,managed-int8");
        using JsonDocument json = JsonDocument.Parse(ResultJson.Write(Here, [result]));
        JsonElement shape = json.RootElement.GetProperty("shapes")[0];
        Dictionary<string, double> errors = shape.GetProperty("subjects").EnumerateArray()
            .ToDictionary(static subject => subject.GetProperty("precision").GetString()!, static subject => subject.GetProperty("weightError").GetDouble());
        Assert.That(errors.Keys, Is.EqualTo(new[] { "f32", "bf16", "f16", "int8" }));
        Assert.That(errors["f32"], Is.Zero);
        Assert.That(errors["int8"], Is.InRange(4e-3, 6.5e-3), "Gaussian weights in groups of 32");
        JsonElement[] rows = [.. shape.GetProperty("rows").EnumerateArray()];
        Assert.That(rows, Has.Length.EqualTo(8));
        foreach (JsonElement[] count in rows.Chunk(4))
        {
            double full = count[0].GetProperty("medianMs").GetDouble();
            Assert.That(count[0].GetProperty("overOurF32").ValueKind, Is.EqualTo(JsonValueKind.Null));
            foreach (JsonElement row in count.Skip(1))
            {
                Assert.That(row.GetProperty("overOurF32").GetDouble(), Is.EqualTo(row.GetProperty("medianMs").GetDouble() / full).Within(1e-9));
                Assert.That(row.GetProperty("overBestPeer").ValueKind, Is.EqualTo(JsonValueKind.Null));
                Assert.That(row.GetProperty("relativeL2").GetDouble(), Is.InRange(1e-4, 1.2e-2));
            }
        }

        Assert.That(shape.TryGetProperty("server", out _), Is.False);
        Assert.That(TextOf(result), Does.Contain("| / our f32 |").And.Contain("managed-int8 (int8)").And.Not.Contain("server"));
    }

    [Test]
    public void A_servers_view_has_every_subject_at_every_token_count()
    {
        ShapeResult result = Measure("--shape 64x96 --tokens 1 --threads 2 --seconds 0.01 --subjects managed,managed-int8 --callers 3");
        ServerView server = result.Server!;
        Assert.Multiple(() =>
        {
            Assert.That(server.Callers, Is.EqualTo(3));
            Assert.That(
                server.Rates.Select(static rate => (rate.Tokens, rate.Subject.Name)),
                Is.EqualTo(new[] { (1, "managed"), (1, "managed-int8"), (4, "managed"), (4, "managed-int8"), (16, "managed"), (16, "managed-int8") }));
            Assert.That(server.Rates.Select(static rate => rate.ManyPerSecond), Is.All.Positive);
            Assert.That(server.Rates.Select(static rate => rate.OnePerSecond), Is.All.Positive);
            Assert.That(server.Rests.Select(static rest => rest.Subject.Name), Is.EqualTo(new[] { "managed", "managed-int8" }));
        });
        Assert.That(TextOf(result), Does.Contain("3 x 1 thread").And.Contain("1 x 2 threads").And.Contain("idle ms"));
        using JsonDocument json = JsonDocument.Parse(ResultJson.Write(Here, [result]));
        JsonElement written = json.RootElement.GetProperty("shapes")[0].GetProperty("server");
        Assert.That(written.GetProperty("rates").GetArrayLength(), Is.EqualTo(6));
        Assert.That(written.GetProperty("rests").GetArrayLength(), Is.EqualTo(2));
    }

    private static ComparisonPlan PlanOf(string line)
    {
        ComparisonPlan? plan = null;
        ParseResult parsed = ComparisonCommand.Create(read => plan = read).Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.That(parsed.Errors, Is.Empty);
        parsed.Invoke();
        return plan!;
    }

    private static ShapeResult Measure(string line)
    {
        ComparisonPlan plan = PlanOf(line);
        return ShapeComparison.Run(plan, plan.Shapes[0], static _ => { });
    }

    private static string TextOf(ShapeResult result)
    {
        using var text = new StringWriter();
        ResultText.Write(text, result);
        return text.ToString();
    }
}
