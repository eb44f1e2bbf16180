using System.Text.Json;
using NativeFfn.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

/// <summary>What <c>convert</c> writes, read back by the definition of compressed-tensors and not by the product.</summary>
public sealed class ConvertTests
{
    private const string Matrix = "model.layers.1.mlp.down_proj";

    // pack-quantized, symmetric, groups of 32: w = scale · (stored - 2^(bits - 1)), codes of a row in 32-bit words, the lowest bits first.
    private static double[] ReadPacked(string file, string module, int bits, int rows, int columns)
    {
        byte[] packed = TinySafetensors.ReadBytes(file, module + ".weight_packed");
        float[] scales = TinySafetensors.ReadFloats(file, module + ".weight_scale");
        Assert.That(TinySafetensors.Shape(file, module + ".weight_packed"), Is.EqualTo(new long[] { rows, columns * bits / 32 }));
        Assert.That(TinySafetensors.Shape(file, module + ".weight_scale"), Is.EqualTo(new long[] { rows, columns / 32 }));
        Assert.That(
            TinySafetensors.ReadBytes(file, module + ".weight_shape"),
            Is.EqualTo(BitConverter.GetBytes((long)rows).Concat(BitConverter.GetBytes((long)columns))));
        var weights = new double[rows * columns];
        for (int i = 0; i < weights.Length; i++)
        {
            (int row, int column) = (i / columns, i % columns);
            int word = ((row * columns) + column) * bits / 32;
            uint value = BitConverter.ToUInt32(packed, word * 4) >> (column * bits % 32);
            weights[i] = scales[i / 32] * ((value & ((1u << bits) - 1)) - (double)(1 << (bits - 1)));
        }

        return weights;
    }

    [TestCase("int4", 4, 0.1)]
    [TestCase("int8", 8, 0.01)]
    public void Integers_are_packed_as_compressed_tensors_has_them_and_the_rest_stays(string precision, int bits, double most)
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint("swiglu", "64x96", "bf16");
        CommandRun run = CommandRun.Done("convert", "--model", model, "--layers", "1", "--precision", precision, "--output", folder["out"]);
        Assert.That(run.Out, Does.Contain($"3 matrices as {precision}").And.Contain("by plain rounding"));
        string file = Path.Combine(folder["out"], "model.safetensors");
        float[] given = TinySafetensors.ReadFloats(Path.Combine(model, "model.safetensors"), Matrix + ".weight");
        double[] stored = ReadPacked(file, Matrix, bits, 64, 96);
        double error = Math.Sqrt(stored.Zip(given).Sum(static pair => Math.Pow(pair.First - pair.Second, 2)) / given.Sum(static weight => (double)weight * weight));
        Assert.That(error, Is.InRange(most / 20, most));
        Assert.That(
            TinySafetensors.ReadBytes(file, "model.layers.0.mlp.up_proj.weight"),
            Is.EqualTo(TinySafetensors.ReadBytes(Path.Combine(model, "model.safetensors"), "model.layers.0.mlp.up_proj.weight")));
        CommandRun.Done("verify", "--model", folder["out"], "--layer", "1");
        using (FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder["out"]))
        {
            FfnCheckpointLayer layer = checkpoint.GetLayer(1);
            float[] read = new float[64 * 96];
            layer.Weights.ReadRows(layer.Spec.Tensors.Single(static tensor => tensor.Name == "down.weight"), 0, read);
            Assert.That(read, Is.EqualTo(stored.Select(static weight => (float)weight)));
        }

        using JsonDocument config = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder["out"], "config.json")));
        JsonElement group = config.RootElement.GetProperty("quantization_config").GetProperty("config_groups").GetProperty("group_0");
        Assert.That(group.GetProperty("weights").GetProperty("num_bits").GetInt32(), Is.EqualTo(bits));
        Assert.That(group.GetProperty("targets").EnumerateArray().Select(static target => target.GetString()), Does.Contain(Matrix).And.Exactly(3).Items);
    }

    [Test]
    public void A_new_checkpoint_may_be_packed_at_once([Values("int4", "int8")] string precision, [Values] bool mixture)
    {
        using var folder = new CommandFolder();
        string[] experts = mixture ? ["--experts", "4", "--top-k", "2"] : [];
        CommandRun run = CommandRun.Done(["init", "--shape", "64x96", "--dtype", precision, "--output", folder["packed"], .. experts]);
        Assert.That(run.Out, Does.Contain(precision));
        CommandRun.Done("verify", "--model", folder["packed"]);
        CommandRun.Of("convert", "--model", folder["packed"], "--precision", "int4", "--output", folder["out"]).ShouldRefuse("loses twice");
        CommandRun.Of("init", "--shape", "64x40", "--dtype", precision, "--output", folder["odd"]).ShouldRefuse("--dtype", "groups of 32");
    }

    [Test]
    public void Floats_are_rounded_and_the_converted_model_is_verified()
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint("geglu", "24x40", "f32");
        CommandRun.Done("convert", "--model", model, "--precision", "bf16", "--output", folder["out"]);
        CommandRun.Done("verify", "--model", folder["out"], "--layer", "1");
        string name = Matrix + ".weight";
        float[] given = TinySafetensors.ReadFloats(Path.Combine(model, "model.safetensors"), name);
        Assert.That(
            TinySafetensors.ReadFloats(Path.Combine(folder["out"], "model.safetensors"), name),
            Is.EqualTo(given.Select(static weight => (float)NumberFormat.BFloat16.Round(weight))));
    }

    [Test]
    public void A_second_run_keeps_what_the_first_one_finished_and_finishes_the_rest()
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint("swiglu", "32x64", "f32");
        string[] arguments = ["convert", "--model", model, "--precision", "int8", "--output", folder["out"]];
        CommandRun.Done(arguments);
        string weights = Path.Combine(folder["out"], "model.safetensors");
        DateTime written = File.GetLastWriteTimeUtc(weights);
        File.Delete(Path.Combine(folder["out"], "config.json"));
        Assert.That(CommandRun.Done(arguments).Out, Does.Contain("1 of 1 files were there"));
        Assert.That(File.GetLastWriteTimeUtc(weights), Is.EqualTo(written));
        Assert.That(File.Exists(Path.Combine(folder["out"], "config.json")));
        CommandRun.Of("convert", "--model", model, "--precision", "int4", "--output", folder["out"])
            .ShouldRefuse("--output", "model.safetensors", "another conversion");
    }

    [TestCase("24x40", "int8", "all", "rows of 24 do not divide into groups of 32")]
    [TestCase("32x64", "int4", "0,2", "names layer 2; the model has 2")]
    public void What_cannot_be_converted_is_named_and_nothing_is_written(string shape, string precision, string layers, string problem)
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint("swiglu", shape);
        CommandRun.Of("convert", "--model", model, "--layers", layers, "--precision", precision, "--output", folder["out"]).ShouldRefuse(problem);
        Assert.That(Directory.Exists(folder["out"]), Is.False);
    }

    [TestCase("--layers 5-2 --precision int4")]
    [TestCase("--layers x --precision int4")]
    [TestCase("--precision q4")]
    public void Words_that_mean_nothing_are_refused(string words) => CommandRun.Of(
        ["convert", "--model", "m", "--output", "o", .. words.Split(' ')]).ShouldRefuse(words.Split(' ')[0], words.Split(' ')[1]);

    [Test]
    public void The_models_own_folder_is_refused()
    {
        using var folder = new CommandFolder();
        string model = folder.Checkpoint("swiglu", "32x64");
        CommandRun.Of("convert", "--model", model, "--precision", "int4", "--output", model + "/").ShouldRefuse("the model's own folder");
    }
}
