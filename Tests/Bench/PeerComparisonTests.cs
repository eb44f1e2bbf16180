using System.CommandLine;
using System.Text.Json;
using NativeFfn.Backends.Cpu;
using NativeFfn.Bench;
using NativeFfn.Bench.Comparing;
using NativeFfn.Bench.Reporting;
using NativeFfn.Bench.Subjects;
using NativeFfn.Cli;
using NativeFfn.Cli.Benchmarking;
using NUnit.Framework;

namespace NativeFfn.Tests.Bench;

/// <summary><c>build/bench.sh</c>: what is measured by default, what is refused, and that results say what they are of.</summary>
public sealed class PeerComparisonTests
{
    private static readonly Machine Here = new("a processor", 2, 256, ".NET", "an OS");

    [Test]
    public void Reduced_precisions_are_measured_unless_others_are_named()
    {
        Assert.That(
            SubjectCatalog.DefaultNames,
            Is.EqualTo(new[]
            {
                "managed", "managed-bf16", "managed-int8", "managed-int4", "mkl", "onnx", "mkl-sgemm", "openblas",
            }));
        Assert.That(SubjectCatalog.Names, Is.SupersetOf(SubjectCatalog.DefaultNames).And.Unique);
        Assert.That(PlanOf("").Subjects, Is.Empty);
        Assert.That(PlanOf("--subjects mkl-int8,managed-f16,onnx").Subjects, Is.EqualTo(new[] { "mkl-int8", "managed-f16", "onnx" }));
    }

    [Test]
    public void A_set_is_everything_of_its_width_and_precisions_of_ours_are_those_of_the_backends()
    {
        Assert.That(
            SubjectCatalog.Expand(["4-bit"]),
            Is.EqualTo(new[] { "managed-int4", "managed-w4a8", "onnx-int4", "onnx-int4-a8", "ggml-q4_0", "ggml-q4_k" }));
        Assert.That(SubjectCatalog.Expand(["8-bit", "onnx"]), Does.Contain("onednn-s8").And.Contain("onnx").And.Not.Contain("mkl-int8"));
        Assert.That(SubjectCatalog.Expand(["low-bits"]), Is.EquivalentTo(SubjectCatalog.Expand(["16-bit", "8-bit", "4-bit"])));
        Assert.That(SubjectCatalog.Expand(["all"]), Is.EqualTo(SubjectCatalog.Names));
        Assert.That(
            SubjectCatalog.Names.Where(static name => name.StartsWith("managed", StringComparison.Ordinal)),
            Has.Exactly(CpuBackend.Precisions.Length - 2).Items, "but for auto and stored");
    }

    [TestCase("f32", 32)]
    [TestCase("bf16", 16)]
    [TestCase("w4a8", 4)]
    public void A_precisions_name_says_the_bits_of_a_weight(string precision, int bits) =>
        Assert.That(SubjectCatalog.BitsOf(precision), Is.EqualTo(bits));

    [Test]
    public void All_token_counts_are_measured_where_asked_for()
    {
        Assert.That(PlanOf("").Tokens, Has.Length.EqualTo(10));
        Assert.That(PlanOf("--tokens all").Tokens, Has.Length.EqualTo(16));
        Assert.That(PlanOf("--tokens all").Tokens, Is.SupersetOf(PlanOf("").Tokens));
    }

    // Widths that every format has blocks for. What is absent on this machine is left out; its error is checked where it is measured.
    [Test]
    public void Peers_in_low_bits_are_right_and_compared_with_ours_of_the_same_width()
    {
        ShapeReport result = Measure("--shape 256x512 --tokens 1,5 --threads 2 --seconds 0.01 --subjects low-bits");
        string[] names = [.. result.Subjects.Select(static subject => subject.Name)];
        Assert.That(names, Does.Contain("onnx-int4").And.Contain("onnx-int8-a8"));
        foreach (ComparisonRow row in result.Rows)
        {
            SubjectRow subject = result.Subjects.Single(one => one.Name == row.Subject);
            Assert.That(row.RelativeL2, Is.InRange(0.3 * subject.QuantizationError, subject.WeightBits == 4 ? 0.25 : 0.06), row.Subject);
            Assert.That(row.BestPeer, subject.Ours && subject.WeightBits < 16 ? Is.Not.Null : Is.Null.Or.Contain("bf16"), row.Subject);
            Assert.That(row.BestPeer == "onednn-s8" && subject.Precision != "w8a8", Is.False, "coarser than ours");
        }

        SubjectRow plain = result.Subjects.Single(static subject => subject.Name == "onnx-int4");
        Assert.That(plain.QuantizationError, Is.InRange(0.07, 0.1), "Gaussian weights, 32 to a scale");
        Assert.That(plain.WeightBytes, Is.EqualTo(3 * 256 * 512 * 5 / 8));
    }

    [Test]
    public void Threads_are_kept_on_the_same_processors_and_let_go()
    {
        using var pinning = new ProcessorPinning(1);
        using var ended = new ManualResetEventSlim();
        Thread thread = pinning.Watch(() =>
        {
            var worker = new Thread(ended.Wait);
            worker.Start();
            return worker;
        });
        using (pinning.KeepCaller())
        {
            Assert.That(Environment.ProcessorCount, Is.Positive);
            Assert.That(pinning.Processors, OperatingSystem.IsLinux() ? Has.Length.EqualTo(1) : Is.Empty);
        }

        Assert.That(new ProcessorPinning(0).Processors, Is.Empty);
        Assert.That(new ProcessorPinning(4096).Processors, Is.Empty, "more than there are");
        ended.Set();
        thread.Join();
    }

    [Test]
    public void Callers_are_measured_only_where_asked_for()
    {
        Assert.That(PlanOf("").Callers, Is.Zero);
        Assert.That(PlanOf("--callers 4").Callers, Is.EqualTo(4));
    }

    [TestCase("--subjects mkl-tf32", "--subjects", "mkl-tf32", "mkl-int8", "low-bits")]
    [TestCase("--subjects mkl,mkl", "--subjects", "mkl,mkl")]
    [TestCase("--callers 0", "--callers", "'0'")]
    [TestCase("--callers few", "--callers", "'few'")]
    [TestCase("--tokens 1,1", "--tokens", "'1,1'")]
    [TestCase("--experts 0", "--experts", "'0'")]
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
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 64, 193);
        using var weights = new LayerWeights(spec);
        using var again = new LayerWeights(spec);
        double[] values = [.. weights.Gate.Span.ToArray().Concat(weights.Up.Span.ToArray()).Concat(weights.Down.Span.ToArray()).Select(
            static w => (double)w)];
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
        ShapeReport result = Measure("--shape 64x96 --tokens 1,3 --seconds 0.01 --subjects managed,managed-bf16,managed-f16,managed-int8");
        using JsonDocument json = JsonDocument.Parse(JsonOf(result));
        JsonElement shape = json.RootElement.GetProperty("shapes")[0];
        Dictionary<string, double> errors = shape.GetProperty("subjects").EnumerateArray()
            .ToDictionary(static subject => subject.GetProperty("precision")
                .GetString()!, static subject => subject.GetProperty("quantizationError").GetDouble());
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
                Assert.That(
                    row.GetProperty("overOurF32").GetDouble(), Is.EqualTo(row.GetProperty("medianMs").GetDouble() / full).Within(1e-9));
                Assert.That(row.GetProperty("overBestPeer").ValueKind, Is.EqualTo(JsonValueKind.Null));
                Assert.That(row.GetProperty("relativeL2").GetDouble(), Is.InRange(1e-4, 1.2e-2));
            }
        }

        Assert.That(shape.TryGetProperty("server", out _), Is.False);
        Assert.That(TextOf(result), Does.Contain("| / our f32 |").And.Contain("managed-int8 (int8)").And.Not.Contain("server"));
    }

    [Test]
    public void A_mixture_is_measured_where_it_can_be_and_its_roofline_counts_the_experts_that_rows_are_sent_to()
    {
        ShapeReport result = Measure("--shape 64x96 --experts 32 --top-k 2 --tokens 1,64 --seconds 0.01 --subjects managed,managed-int8");
        Assert.That((result.Experts, result.TopK), Is.EqualTo((32, 2)));
        Assert.That(result.Subjects.Select(static subject => subject.WeightBytes), Has.All.Positive);
        ComparisonRow[] rows = [.. result.Of(result.Subjects[0])];
        Assert.That(rows[1].RooflineMs / rows[0].RooflineMs, Is.GreaterThan(5), "one token reads 2 of 32 experts, 64 tokens nearly all");
        Assert.That(rows[0].RelativeL2, Is.LessThan(1e-5));
        Assert.That(TextOf(result), Does.Contain("64x96, 32 experts, top 2"));
        Assert.That(
            () => Measure("--shape 64x96 --experts 4 --tokens 1 --seconds 0.01 --subjects managed,onnx"),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("onnx").And.Message.Contains("--experts"));
    }

    [Test]
    public void Copies_of_the_weights_take_turns_unless_one_is_to_stay([Values] bool resident)
    {
        ShapeReport result = Measure(
            $"--shape 64x96 --tokens 1 --seconds 0.01 --subjects managed,managed-int8{(resident ? " --resident" : string.Empty)}");
        Assert.That(result.CacheBytes, Is.EqualTo(LastLevelCache.Bytes));
        foreach (SubjectRow subject in result.Subjects)
        {
            Assert.That(subject.WeightCopies, resident ? Is.EqualTo(1) : Is.GreaterThan(1));
            Assert.That(subject.IsPastCache, Is.False, "too small for any cache");
        }

        Assert.That(TextOf(result), Does.Contain("(in cache)"));
    }

    [Test]
    public void A_copy_of_float32_weights_is_used_again_after_all_others()
    {
        using var weights = new LayerWeights(FfnSpec.Create(FfnKind.SwiGlu, 8, 8));
        using var copies = new WeightCopies(weights, new RotationLimits(weights.ByteCount / 2, 100 * weights.ByteCount, 100));
        LayerWeights[] used = [.. Enumerable.Range(0, 4).Select(_ => copies.Next())];
        Assert.That(copies.Rotation, Is.EqualTo(new WeightRotation(2, true)));
        Assert.That(used[0], Is.Not.SameAs(used[1]));
        Assert.That((used[2], used[3]), Is.EqualTo((used[0], used[1])));
        Assert.That(used[0].Down.Span.ToArray(), Is.EqualTo(used[1].Down.Span.ToArray()));
    }

    [Test]
    public void A_wrong_answer_in_the_first_the_middle_or_the_last_row_is_an_error([Values(0, 1, 2)] int wrong)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 40, 72);
        var weights = new XavierWeights(spec, 1);
        float[] input = RandomRows.Create(3, spec.InputWidth, seed: 1);
        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed });
        using FfnLayer layer = engine.CreateLayer(spec, weights);
        var output = new float[input.Length];
        layer.ForwardResidual(input, input, output);
        var answer = new SampledRows(spec, weights, input, [3]);
        Assert.That(answer.Error(output), Is.LessThan(1e-6));
        input.AsSpan(wrong * spec.InputWidth, spec.InputWidth).CopyTo(output.AsSpan(wrong * spec.InputWidth));
        Assert.That(answer.Error(output), Is.GreaterThan(0.1), "nothing was added to one row");
    }

    [Test]
    public void A_servers_view_has_every_subject_at_every_token_count()
    {
        ShapeReport result = Measure("--shape 64x96 --tokens 1 --threads 2 --seconds 0.01 --subjects managed,managed-int8 --callers 3");
        ServerView server = result.Server!;
        Assert.Multiple(() =>
        {
            Assert.That(server.Callers, Is.EqualTo(3));
            Assert.That(
                server.Rates.Select(static rate => (rate.Tokens, rate.Subject)),
                Is.EqualTo(from m in (int[])[1, 4, 16] from subject in (string[])["managed", "managed-int8"] select (m, subject)));
            Assert.That(server.Rates.Select(static rate => rate.ManyTokensPerSec), Is.All.Positive);
            Assert.That(server.Rates.Select(static rate => rate.OneTokensPerSec), Is.All.Positive);
            Assert.That(server.Rests.Select(static rest => rest.Subject), Is.EqualTo(new[] { "managed", "managed-int8" }));
        });
        Assert.That(TextOf(result), Does.Contain("3 x 1 thread").And.Contain("1 x 2 threads").And.Contain("idle ms"));
        using JsonDocument json = JsonDocument.Parse(JsonOf(result));
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

    // Threads of other tests begin meanwhile, and belong where they like.
    private static ShapeReport Measure(string line)
    {
        ComparisonPlan plan = PlanOf(line + " --unpinned");
        return ShapeComparison.Run(plan, plan.SpecOf(plan.Shapes[0]), static _ => { });
    }

    private static string JsonOf(ShapeReport result) =>
        CliJson.Write(new ComparisonReport(Here, [result]), ComparisonJson.Default.ComparisonReport);

    private static string TextOf(ShapeReport result)
    {
        using var text = new StringWriter();
        ComparisonText.Write(text, result);
        return text.ToString();
    }
}
