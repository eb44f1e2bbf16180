using System.CommandLine;
using System.Text;
using NativeFfn.Backends.Reference;
using NativeFfn.Bench;
using NativeFfn.Bench.Gpu;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Cli;
using NativeFfn.Cli.Benchmarking;
using NativeFfn.Tests.Checkpoints;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Bench;

/// <summary>
/// The comparison on a GPU, run on the software device: what takes turns, what is timed, what is refused and what is written.
/// </summary>
[NonParallelizable]
public sealed class GpuComparisonTests
{
    // Small enough for a device in C#, and no multiple of anything.
    private const string Small = "--shape 40x72 --tokens 1,3,20 --seconds 0.001";

    private const int CacheBytes = 8192;

    // A copy of 1 MiB is far beyond that.
    private const long CopyBytes = 1 << 20;

    [Test]
    public void Weights_take_turns_until_twice_the_cache_has_passed()
    {
        Assert.Multiple(() =>
        {
            Assert.That(WeightRotation.OnDevice(352_321_536, 50 << 20), Is.EqualTo(new WeightRotation(2, true)));
            Assert.That(WeightRotation.OnDevice(1000, 1000), Is.EqualTo(new WeightRotation(3, true)));
            Assert.That(WeightRotation.OnDevice(999, 1000), Is.EqualTo(new WeightRotation(4, true)));
            Assert.That(WeightRotation.OnDevice(1000, 0), Is.EqualTo(new WeightRotation(2, true)));
            Assert.That(WeightRotation.OnDevice(1, 50 << 20), Is.EqualTo(new WeightRotation(64, false)));
        });
    }

    [Test]
    public void Each_piece_of_work_is_timed_by_the_devices_clock()
    {
        // Every third piece takes 9 ms, the others 2.
        int copies = 0;
        using var session = new SoftwareSession(new SoftwareDeviceOptions { Milliseconds = _ => copies++ % 3 == 0 ? 9 : 2 });
        using CudaStream stream = session.Context.CreateStream();
        using DeviceMemory memory = session.Context.Allocate(64);
        using (var timer = new DeviceTimer(stream))
        {
            List<int> numbers = [];
            Times times = timer.Measure(0.001, number =>
            {
                numbers.Add(number);
                stream.Fill(memory.Region, 0);
            });
            Assert.That(numbers, Is.EqualTo(Enumerable.Range(0, numbers.Count)));
            Assert.That(times.Runs, Is.GreaterThanOrEqualTo(64).And.EqualTo(numbers.Count - 32), "the first batch is not kept");
            Assert.That(times.MedianMs, Is.EqualTo(2).Within(1e-6));
            Assert.That(times.MinMs, Is.EqualTo(2).Within(1e-6));
        }
    }

    [TestCase(0, 4)]
    [TestCase(14, 2)]
    [TestCase(2, 2)]
    [TestCase(28, 1)]
    public void Random_numbers_fill_memory_of_any_length(int type, int size)
    {
        using var session = new SoftwareSession();
        using CudaStream stream = session.Context.CreateStream();

        // Three patterns and a part of one.
        using DeviceMemory memory = session.Context.Allocate((3 * (8 << 20)) + (5 * size));
        using (var numbers = new RandomNumbers(stream))
        {
            numbers.Fill(memory.Region, (CudaDataType)type);
        }

        NumberFormat number = (CudaDataType)type switch
        {
            CudaDataType.Float32 => NumberFormat.Float32,
            CudaDataType.BFloat16 => NumberFormat.BFloat16,
            CudaDataType.Float16 => NumberFormat.Float16,
            _ => NumberFormat.E4M3,
        };
        float[] head = session.Read(number, memory.Region.Slice(0, 4096L * size));
        float[] tail = session.Read(number, memory.Region.Slice(memory.Region.Bytes - (5 * size), 5 * size));
        Assert.That(head.All(float.IsFinite) && tail.All(float.IsFinite));
        Assert.That(tail, Is.EqualTo(head[..5]));
        Assert.That(head.Max(), Is.InRange(0.9f, 2f));
        Assert.That(head.Min(), Is.InRange(-2f, -0.9f));
        Assert.That(head.Average(), Is.EqualTo(0).Within(0.1));
    }

    [Test]
    public void Every_number_is_measured_and_nothing_is_left_behind()
    {
        GpuPlan plan = PlanOf($"{Small} --precision bf16,fp8,f32");
        SoftwareDevice device = SoftwareDevice.Start(Machine());
        GpuReport report;
        try
        {
            report = Run(device, plan);
            MatmulLaunch[] products = [.. device.Executed.Select(static launch => launch.Matmul).OfType<MatmulLaunch>()];
            Assert.That(
                products.Select(static product => (product.M, product.K)), Is.SupersetOf(new[] { (160, 48), (48, 80) }), "padded to 16");
            Assert.That(
                device.Executed.Count(static launch => launch.Kind == LaunchKind.Graph), Is.GreaterThanOrEqualTo(9 * 96),
                "three batches of captured forwards each");
            device.AssertClean();
        }
        finally
        {
            device.Dispose();
        }

        Assert.That(report.Rows.Select(static row => (row.Precision, row.Tokens)), Is.EqualTo(
            from precision in (string[])["bf16", "fp8", "f32"] from tokens in (int[])[1, 3, 20] select (precision, tokens)));
        Assert.That(report.CopyBytesPerSecond, Is.Positive);
        foreach (GpuRow row in report.Rows)
        {
            using (Assert.EnterMultipleScope())
            {
                Assert.That(row.DeviceMs, Is.Positive);
                Assert.That(row.DeviceMinMs, Is.Positive.And.LessThanOrEqualTo(row.DeviceMs));
                Assert.That(row.CapturedMs, Is.Positive);
                Assert.That(row.HostMs, Is.Positive);
                Assert.That(row.PlainProductsMs, Is.Positive);
                Assert.That(row.Runs, Is.GreaterThanOrEqualTo(64));
                Assert.That(row.CopyRateMs, Is.EqualTo(row.WeightBytes / report.CopyBytesPerSecond!.Value * 1e3).Within(1e-9));
                Assert.That(row.CopyShare, Is.EqualTo(row.CopyRateMs / row.DeviceMs));
                Assert.That(row.PlainShare, Is.EqualTo(row.PlainProductsMs / row.DeviceMs));
                Assert.That((row.WeightCopies - 1) * row.WeightBytes, Is.GreaterThanOrEqualTo(2 * CacheBytes));
                Assert.That(row.IsPastCache);
                Assert.That(row.RelativeL2, Is.Positive.And.LessThan(row.Precision == "f32" ? 1e-6 : row.Precision == "bf16" ? 1e-2 : 0.1));
            }
        }

        // The fastest plain products are their own floor.
        foreach (IGrouping<string, GpuRow> precision in report.Rows.GroupBy(static row => row.Precision))
        {
            Assert.That(precision.Min(static row => row.PlainProductsMs / row.ComputeFloorMs), Is.EqualTo(1).Within(1e-9));
        }
    }

    [Test]
    public void What_fails_at_one_token_count_is_told_and_the_rest_is_measured()
    {
        using SoftwareDevice device = SoftwareDevice.Start(Machine());
        List<GpuReport> saved = [];
        List<string> said = [];
        Measure(device, PlanOf($"{Small} --precision bf16,f32"), FailAtThreeTokens, saved.Add);
        Assert.That(saved.Select(static report => report.Rows.Length), Is.EqualTo(new[] { 1, 1, 2, 3, 4, 5, 5 }), "saved as it grows");
        Assert.That(saved[^1].Rows.Select(static row => (row.Precision, row.Tokens)), Is.EqualTo(
            new[] { ("bf16", 1), ("bf16", 20), ("f32", 1), ("f32", 3), ("f32", 20) }));
        Assert.That(saved[^1].Rows.Select(static row => row.ComputeFloorMs), Has.All.Positive);
        Assert.That(saved[^1].Failures, Is.EqualTo(said.Where(static line => line.Contains("failed"))).And.Length.EqualTo(1));
        Assert.That(saved[^1].Failures!.Value[0], Does.StartWith("bf16, 3 tokens: cuEventElapsedTime failed"));
        Assert.That(Written(saved[^1]), Is.Not.Empty);
        device.AssertClean();

        void FailAtThreeTokens(string line)
        {
            said.Add(line);
            if (line == "bf16, 3 tokens")
            {
                device.FailCall("cuEventElapsedTime", 1, CudaResult.InvalidValue);
            }
        }
    }

    [Test]
    public void A_device_that_is_lost_ends_it_and_what_was_measured_is_kept()
    {
        using SoftwareDevice device = SoftwareDevice.Start(Machine());
        List<GpuReport> saved = [];
        Assert.That(
            () => Measure(device, PlanOf($"{Small} --precision f32"), LoseAtThreeTokens, saved.Add), Throws.TypeOf<CudaException>());
        Assert.That(saved[^1].Rows.Select(static row => row.Tokens), Is.EqualTo(new[] { 1 }));

        void LoseAtThreeTokens(string line)
        {
            if (line == "f32, 3 tokens")
            {
                device.FailCall("cuEventElapsedTime", 1, CudaResult.IllegalAddress);
            }
        }
    }

    [Test]
    public void A_wrong_answer_in_the_first_or_the_last_row_is_an_error()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 40, 72);
        float[] input = RandomRows.Create(3, spec.InputWidth, seed: 1);
        var rows = new SampledRows(spec, new XavierWeights(spec, 1), input, [1, 3]);
        Assert.That(rows.Error(input), Is.EqualTo(1).Within(1e-9), "nothing was added");
        Assert.That(rows.Error(input.AsSpan(0, spec.InputWidth)), Is.EqualTo(1).Within(1e-9), "nor to the one row");
        float[] wrong = [.. input];
        foreach (int element in (int[])[0, input.Length - 1])
        {
            (wrong[element], float right) = (float.NaN, wrong[element]);
            Assert.That(rows.Error(wrong), Is.NaN);
            wrong[element] = right;
        }
    }

    [Test]
    public void A_table_leaves_out_a_peer_that_cannot_be_read_and_exits_with_1()
    {
        using var folder = new TempFolder();
        string ours = folder.Write("ours.json", Written(Report("NativeFfn", "NativeFfn", 0.08, 0.075)));
        string broken = folder.Write("torch.json", "{\"program\": \"Py");
        using var stdout = new StringWriter();
        using var stderr = new StringWriter();
        Assert.That(Run(["table", ours], stdout, stderr), Is.Zero);
        string alone = stdout.ToString();
        Assert.That(Run(["table", ours, broken], stdout, stderr), Is.EqualTo(1));
        Assert.That(stdout.ToString(), Is.EqualTo(alone + alone));
        Assert.That(stderr.ToString(), Does.Contain($"'{broken}' is left out").And.Contain("1 of 2"));
        Assert.That(Run(["table", broken], stdout, stderr), Is.EqualTo(2));
    }

    [Test]
    public void An_error_is_relative_to_what_the_layer_adds()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 40, 72);
        float[] input = [.. Enumerable.Repeat(1f, spec.DModel)];
        var weights = new XavierWeights(spec, 1);
        double[] branch = new Float64Forward(spec, weights).Network(Array.ConvertAll(input, static value => (double)value));
        var rows = new SampledRows(spec, weights, input, [1]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(rows.Error([.. branch.Select(static b => (float)(1 + b))]), Is.LessThan(1e-6));
            Assert.That(rows.Error(input), Is.EqualTo(1).Within(1e-12));
            Assert.That(rows.Error([.. branch.Select(static b => (float)(1 - b))]), Is.EqualTo(2).Within(1e-6));
        }
    }

    [Test]
    public void A_machine_without_a_GPU_says_so_and_exits_with_2()
    {
        if (TestBackends.HasGpu)
        {
            Assert.Ignore("There is a GPU here.");
        }

        using var stdout = new StringWriter();
        using var stderr = new StringWriter();
        Assert.That(Run([], stdout, stderr), Is.EqualTo(2));
        Assert.That(stdout.ToString(), Is.Empty);
        Assert.That(stderr.ToString(), Does.StartWith("bench: error: ").And.Match("^[^\n]*\n$"));
        Assert.That(stderr.ToString(), Does.Contain("no GPU").Or.Contain("NVIDIA driver was not found"));
        Assert.That(Run(["--shape", "64"], stdout, stderr), Is.EqualTo(2));
        Assert.That(stderr.ToString(), Does.Contain("--shape is '64'"));
    }

    [Test]
    public void A_precision_that_the_device_lacks_is_left_out_of_several_and_refused_alone()
    {
        using SoftwareDevice device = SoftwareDevice.Start(Machine() with { Major = 8, Minor = 0 });
        GpuReport report = Run(device, PlanOf("--shape 40x72 --tokens 1 --seconds 0.001 --precision fp8,f32"));
        Assert.That(report.Rows.Select(static row => row.Precision), Is.EqualTo(new[] { "f32" }));
        Assert.That(
            () => Run(device, PlanOf("--shape 40x72 --tokens 1 --seconds 0.001 --precision fp8")),
            Throws.TypeOf<BackendUnavailableException>().With.Message.Contains("8.9"));
    }

    [Test]
    public void Reports_are_read_as_they_were_written_and_shown_beside_each_other()
    {
        using var folder = new TempFolder();
        GpuReport ours = Report("NativeFfn", "NativeFfn", 0.08, 0.075);
        GpuReport read = GpuJson.Read(folder.Write("ours.json", Written(ours)));
        Assert.That(Written(read), Is.EqualTo(Written(ours)));

        // As Tools/Bench/peers/torch_ffn.py writes it.
        string peer = folder.Write("torch.json", """
            {"program": "PyTorch", "version": "2.9, CUDA 12.8", "device": "a GPU", "dModel": 64, "dFf": 176,
             "copyBytesPerSecond": null, "rows": [
              {"subject": "eager", "precision": "bf16", "tokens": 1, "deviceMs": 0.1, "deviceMinMs": 0.09, "runs": 64,
               "weightBytes": 67584, "weightCopies": 3, "isPastCache": true},
              {"subject": "compiled", "precision": "bf16", "tokens": 1, "deviceMs": 0.05, "deviceMinMs": 0.04, "runs": 64,
               "weightBytes": 67584, "weightCopies": 3, "isPastCache": true}]}
            """);
        using var text = new StringWriter();
        GpuText.Write(text, [read, GpuJson.Read(peer)]);
        Assert.That(text.ToString(), Does.Contain("/ eager").And.Contain("graph / compiled").And.Contain("PyTorch: 2.9, CUDA 12.8"));
        string[] last = [.. text.ToString().TrimEnd().Split('\n')[^1].Split(
            '|', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];
        Assert.That(last, Is.EqualTo(new[] { "bf16", "1", "0.0800", "0.0750", "0.1000", "0.0500", "0.80", "1.60", "0.75", "1.50" }));

        GpuReport other = ours with { Device = "another GPU" };
        Assert.That(() => GpuText.Write(text, [ours, other]), Throws.ArgumentException);
        folder.Write("torch.json", "{}");
        Assert.That(() => GpuJson.Read(peer), Throws.TypeOf<InvalidDataException>().With.Message.Contains(peer));
    }

    [TestCase("--precision int8", "'int8'")]
    [TestCase("--precision bf16,bf16", "'bf16,bf16'")]
    [TestCase("--shape 64", "'64'")]
    [TestCase("--tokens 0", "'0'")]
    [TestCase("--seconds 0", "'0'")]
    [TestCase("--device -1", "'-1'")]
    public void Is_refused(string line, string named)
    {
        ParseResult parsed = Root(static _ => Assert.Fail("nothing should run"), static _ => Assert.Fail()).Parse(
            ["gpu", .. line.Split(' ')]);
        Assert.That(parsed.Errors, Has.Count.EqualTo(1));
        Assert.That(parsed.Errors[0].Message, Does.Contain(named));
    }

    [Test]
    public void Left_alone_it_measures_a_model_of_8_billion_in_bf16()
    {
        GpuPlan plan = PlanOf("");
        Assert.That((plan.Shape.DModel, plan.Shape.DFf), Is.EqualTo((4096, 14336)));
        Assert.That(plan.Tokens, Is.EqualTo(new[] { 1, 8, 64, 512, 4096 }));
        Assert.That(plan.Precisions, Is.EqualTo(new[] { FfnPrecision.BFloat16 }));
        Assert.That(plan.Autotune, Is.False);
    }

    private static RootCommand Root(Action<GpuPlan> measure, Action<System.Collections.Immutable.ImmutableArray<string>> show) =>
        new() { GpuCommand.Create(measure, show) };

    private static int Run(string[] words, TextWriter stdout, TextWriter stderr) =>
        ToolRun.Of(new RootCommand { GpuTool.Create(stdout, stderr) }, ["gpu", .. words], stdout, stderr);

    private static byte[] Written(GpuReport report) => Encoding.UTF8.GetBytes(CliJson.Write(report, GpuJson.Default.GpuReport));

    private static SoftwareDeviceOptions Machine() => new() { CacheBytes = CacheBytes };

    private static GpuReport Run(SoftwareDevice device, GpuPlan plan)
    {
        List<GpuReport> saved = [];
        Measure(device, plan, static _ => { }, saved.Add);
        return saved[^1];
    }

    private static void Measure(SoftwareDevice device, GpuPlan plan, Action<string> progress, Action<GpuReport> save)
    {
        var libraries = new CudaLibraries(device.Driver, device.CuBlasLt, device.Nvrtc);
        var options = new FfnEngineOptions { Backend = BackendKind.CuBlas, Cuda = device.AsSource(), DecodeTokens = 1 };
        GpuRun.Measure(plan with { CopyBytes = CopyBytes }, libraries, options, progress, save);
    }

    private static GpuReport Report(string program, string subject, double device, double captured) => new()
    {
        Program = program,
        Version = "1",
        Device = "a GPU",
        DModel = 64,
        DFf = 176,
        CopyBytesPerSecond = 3e12,
        Rows =
        [
            new GpuRow
            {
                Subject = subject, Precision = "bf16", Tokens = 1, DeviceMs = device, DeviceMinMs = device, Runs = 64,
                CapturedMs = captured, HostMs = 0.2,
                PlainProductsMs = 0.06, CopyRateMs = 0.05, ComputeFloorMs = 0.01, WeightBytes = 67584, WeightCopies = 3, IsPastCache = true,
                RelativeL2 = 3e-3,
            },
        ],
    };

    private static GpuPlan PlanOf(string line)
    {
        GpuPlan? plan = null;
        ParseResult parsed = Root(made => plan = made, static _ => Assert.Fail("no table was asked for"))
            .Parse(["gpu", .. line.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        Assert.That(parsed.Errors, Is.Empty);
        parsed.Invoke();
        return plan!;
    }
}
