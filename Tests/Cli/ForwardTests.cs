using NativeFfn.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

/// <summary><c>forward</c> from a checkpoint's folder to the file with its output.</summary>
public sealed class ForwardTests
{
    private CommandFolder _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new CommandFolder();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    [Test]
    public void A_trace_holds_together_by_the_formula([Values("ffn", "residual", "block")] string mode)
    {
        string model = _folder.Checkpoint("reglu");
        CommandRun run = CommandRun.Done(
            "forward", "--model", model, "--layer", "1", "--mode", mode, "--backend", "managed",
            "--input", _folder["model/input.safetensors"], "--output", _folder["out"], "--trace", _folder["trace"]);
        Assert.That(run.Out, Does.Contain(mode).And.Contain("3 tokens").And.Contain("layer 1").And.Contain("managed"));
        Dictionary<string, (long[] Shape, float[] Values)> trace = _folder.Read("trace");
        string[] names = mode == "block"
            ? ["normalized", "pre_activation", "activation", "up", "hidden", "output"]
            : ["pre_activation", "activation", "up", "hidden", "output"];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(trace.Keys, Is.EquivalentTo(names));
            Assert.That(trace["hidden"].Shape, Is.EqualTo(new long[] { 3, 40 }));
            Assert.That(trace["output"].Shape, Is.EqualTo(new long[] { 3, 24 }));
            Assert.That(trace["output"].Values, Is.EqualTo(_folder.Read("out")["output"].Values));
            Assert.That(trace["activation"].Values, Is.EqualTo(trace["pre_activation"].Values.Select(static x => MathF.Max(0, x))));
            Assert.That(trace["hidden"].Values, Is.EqualTo(trace["activation"].Values.Zip(trace["up"].Values, static (a, b) => a * b)));
        }
    }

    [Test]
    public void A_mixtures_trace_has_its_routing()
    {
        CommandRun.Done("init", "--shape", "24x40", "--experts", "8", "--top-k", "2", "--sample-input", "3", "--output", _folder["model"]);
        CommandRun run = CommandRun.Done(
            "forward", "--model", _folder["model"], "--mode", "block", "--backend", "managed",
            "--input", _folder["model/input.safetensors"], "--output", _folder["out"], "--trace", _folder["trace"]);
        Assert.That(run.Out, Does.Contain("swiglu 24x40 (8 experts, top 2)"));
        Dictionary<string, (long[] Shape, float[] Values)> trace = _folder.Read("trace");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(trace.Keys, Is.EquivalentTo(new[] { "normalized", "routing.experts", "routing.weights", "routing.scores", "output" }));
            Assert.That(trace["routing.experts"].Shape, Is.EqualTo(new long[] { 3, 2 }));
            Assert.That(trace["routing.experts"].Values, Is.All.Matches<float>(static expert => expert is >= 0 and < 8 && expert == MathF.Floor(expert)));
            Assert.That(trace["routing.weights"].Values.Chunk(2).Select(static weights => weights.Sum()), Is.All.EqualTo(1f).Within(1e-6f));
            Assert.That(trace["routing.scores"].Shape, Is.EqualTo(new long[] { 3, 8 }));
            Assert.That(trace["routing.scores"].Values.Chunk(8).Select(static scores => scores.Sum()), Is.All.EqualTo(1f).Within(1e-6f));
        }
    }

    [Test]
    public void A_row_that_cannot_be_routed_is_refused_and_nothing_written()
    {
        CommandRun.Done("init", "--shape", "24x40", "--experts", "8", "--output", _folder["model"]);
        using (var writer = new SafetensorsWriter(_folder["input"], [("input", "F32", [2, 24])]))
        {
            writer.Write([.. Enumerable.Repeat(1f, 47), float.NaN]);
            writer.Commit();
        }

        CommandRun.Of("forward", "--model", _folder["model"], "--input", _folder["input"], "--output", _folder["out"]).ShouldRefuse("Token 1", "not finite");
        Assert.That(_folder.Entries, Is.EqualTo(new[] { "input", "model" }));
    }

    [Test]
    public void A_residual_adds_the_input()
    {
        _folder.Checkpoint();
        Forward("ffn", "ffn");
        Forward("residual", "residual");
        float[] input = _folder.Read("model/input.safetensors")["input"].Values;
        float[] expected = [.. input.Zip(_folder.Read("ffn")["output"].Values, static (x, y) => x + y)];
        Assert.That(_folder.Read("residual")["output"].Values, Is.EqualTo(expected).Within(1e-6f));
    }

    [Test]
    public void Input_and_output_may_be_one_file()
    {
        _folder.Checkpoint();
        Forward("ffn", "apart");
        File.Copy(_folder["model/input.safetensors"], _folder["same"]);
        CommandRun.Done("forward", "--model", _folder["model"], "--backend", "managed", "--input", _folder["same"], "--output", _folder["same"]);
        Assert.That(_folder.Read("same")["output"].Values, Is.EqualTo(_folder.Read("apart")["output"].Values));
        Assert.That(_folder.Entries, Is.EqualTo(new[] { "apart", "model", "same" }));
    }

    [Test]
    public void No_tokens_give_no_rows()
    {
        _folder.Checkpoint();
        string input = _folder.TensorFile("none", "input", "F32", 0, 24);
        CommandRun.Done("forward", "--model", _folder["model"], "--backend", "managed", "--input", input, "--output", _folder["out"]);
        Assert.That(_folder.Read("out")["output"].Shape, Is.EqualTo(new long[] { 0, 24 }));
    }

    [TestCase("bf16", "bf16", 1e-6)]
    [TestCase("f16", "f16", 1e-6)]
    [TestCase("f32", "bf16", 8e-3)]
    [TestCase("f32", "f16", 1e-3)]
    [TestCase("f32", "int8", 2e-2)]
    public void A_precision_is_kept_and_what_it_loses_is_said(string type, string precision, double tolerance)
    {
        _folder.Checkpoint("swiglu", "96x160", type, 5);
        string exact = Forward("ffn", "exact");
        string reduced = Forward("ffn", "reduced", more: ["--precision", precision]);
        bool lossless = type == precision;
        Assert.That(exact, Does.Contain("kept as f32)"));
        Assert.That(reduced, Does.Contain(lossless ? $"kept as {precision})" : $"kept as {precision} with a relative error of "));
        float[] expected = _folder.Read("exact")["output"].Values;
        double difference = _folder.Read("reduced")["output"].Values.Zip(expected, static (y, x) => ((double)y - x) * (y - x)).Sum();
        double relative = Math.Sqrt(difference / expected.Sum(static x => (double)x * x));

        // Rows may be rounded to bf16 as well, before both stages.
        double rows = precision == "bf16" ? 2 * StoredTokens.Loss(FfnPrecision.BFloat16) : 0;
        Assert.That(relative, Is.InRange(lossless ? 0 : tolerance / 20, tolerance + rows));
    }

    [TestCase("f16", 1e5f)]
    [TestCase("int8", float.NaN)]
    public void A_weight_that_does_not_fit_is_refused(string precision, float weight)
    {
        string model = _folder.Checkpoint();
        _folder.SetWeight("model.layers.0.mlp.down_proj.weight", 45, weight);
        string[] words = ["forward", "--model", model, "--input", _folder["model/input.safetensors"], "--output", _folder["out"], "--precision", precision];
        CommandRun.Of(words).ShouldRefuse("down.weight[1, ", precision, "f32");
        Assert.That(File.Exists(_folder["out"]), Is.False, "a refusal leaves no output");
    }

    [Test]
    [Category("Mkl")]
    public void Mkl_and_managed_agree()
    {
        TestBackends.Open(BackendKind.Mkl, 1).Dispose();
        _folder.Checkpoint("geglu", "96x160", "bf16", 5);
        Forward("block", "managed");
        Forward("block", "mkl", "mkl");
        Assert.That(_folder.Read("mkl")["output"].Values, Is.EqualTo(_folder.Read("managed")["output"].Values).Within(1e-5f));
    }

    [TestCase("F32", new long[] { 3, 23 }, "[3, 23]", "24")]
    [TestCase("F32", new long[] { 24 }, "[24]", "two dimensions")]
    [TestCase("F32", new long[] { 1, 3, 24 }, "[1, 3, 24]", "two dimensions")]
    [TestCase("F16", new long[] { 3, 24 }, "F16", "F32")]
    public void Input_that_does_not_fit_is_refused(string type, long[] shape, params string[] named)
    {
        _folder.Checkpoint();
        Refuse(_folder.TensorFile("wrong", "input", type, shape), _folder["out"], ["'input'", .. named]);
    }

    [Test]
    public void Files_that_are_not_there_are_refused()
    {
        string model = _folder.Checkpoint();
        string input = _folder["model/input.safetensors"];
        Refuse(_folder["absent"], _folder["out"], "absent");
        Refuse(_folder.TensorFile("other", "x", "F32", 3, 24), _folder["out"], "input", "other");
        Refuse(input, _folder["no/out"], "--output", "no");
        Refuse(input, model, "--output", "folder");
        CommandRun.Of("forward", "--model", _folder["nowhere"], "--input", input, "--output", _folder["out"]).ShouldRefuse("nowhere");
        CommandRun.Of("forward", "--model", model, "--layer", "2", "--input", input, "--output", _folder["out"]).ShouldRefuse("layer 2");
        CommandRun.Of("forward", "--model", model, "--input", input, "--output", _folder["out"], "--trace", _folder["out"])
            .ShouldRefuse("--trace", "--output");
        Assert.That(File.Exists(_folder["out"]), Is.False);
    }

    [Test]
    public void A_backend_that_is_not_there_is_refused_and_auto_says_what_it_passed_over()
    {
        string model = _folder.Checkpoint();
        string[] words = ["forward", "--model", model, "--input", _folder["model/input.safetensors"], "--output", _folder["out"], "--mkl-path", _folder["nowhere"]];
        CommandRun.Of([.. words, "--backend", "mkl"]).ShouldRefuse("'mkl'", _folder["nowhere"]);
        Assert.That(File.Exists(_folder["out"]), Is.False);
        Assert.That(CommandRun.Done(words).Out, Does.Contain("on managed").And.Contain("passed over mkl"));
    }

    [Test]
    [Platform("Linux")]
    public void A_full_disk_is_refused()
    {
        _folder.Checkpoint();
        Assume.That(File.Exists("/dev/full"));
        Refuse(_folder["model/input.safetensors"], "/dev/full", "/dev/full");
    }

    private string Forward(string mode, string output, string backend = "managed", params string[] more) => CommandRun.Done(
        [
            "forward", "--model", _folder["model"], "--mode", mode, "--backend", backend,
            "--input", _folder["model/input.safetensors"], "--output", _folder[output], .. more,
        ]).Out;

    private void Refuse(string input, string output, params string[] named)
    {
        CommandRun.Of("forward", "--model", _folder["model"], "--backend", "managed", "--input", input, "--output", output).ShouldRefuse(named);
        Assert.That(File.Exists(_folder["out"]), Is.False, "a refusal leaves no output");
    }
}
