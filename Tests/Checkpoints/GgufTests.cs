using NativeFfn.Backends.Encodings;
using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Files;
using NativeFfn.Checkpoints.Files.Gguf;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>GGUF files: every type that is read, a model from its metadata, and every reason to refuse one. d_model is 32 or 2.</summary>
[TestFixture]
public sealed class GgufTests
{
    private static IEnumerable<TestCaseData> DamagedFiles()
    {
        yield return Case("version 1", Small(file => file.Version = 1), "is of GGUF version 1, which nothing reads any more; versions 2 and 3 are read. Convert the model again.");
        yield return Case("version 4", Small(file => file.Version = 4), "is of GGUF version 4, which is not known; versions 2 and 3 are read. Convert");
        yield return Case("version 0", Small(file => file.Version = 0), "is of GGUF version 0, which is not known");
        yield return Case("big-endian", Small(file => file.Version = 0x03000000), "is a big-endian GGUF file; little-endian ones can be read. Convert it.");
        yield return Case("the magic alone", "GGUF"u8.ToArray(), "past the end of the file");
        yield return Case("absurd tensors", Small(file => file.ClaimedTensors = ulong.MaxValue), "the header claims 18446744073709551615 tensors");
        yield return Case("absurd keys", Small(file => file.ClaimedKeys = 1UL << 62), "the header claims 4611686018427387904 keys");
        yield return Case("an absurd text", Small(file => file.Key("k", 8, BitConverter.GetBytes(ulong.MaxValue))), "'k' has a text of 18446744073709551615 bytes");
        yield return Case("a text past the end", Small(file => file.Key("k", 8, BitConverter.GetBytes(1UL << 20))), "past the end of the file");
        yield return Case("an absurd array", Small(file => file.Key("k", 9, [0, 0, 0, 0, .. BitConverter.GetBytes(1UL << 40)])), "claims 1099511627776 elements of 'k'");
        yield return Case("a text past 1 GiB", Small(file => file.Key("k", 8, BitConverter.GetBytes((1UL << 30) + 1))), "'k' has a text of 1073741825 bytes; 1073741824 are the most");
        yield return Case("an array past 2^30", Small(file => file.Key("k", 9, [0, 0, 0, 0, .. BitConverter.GetBytes((1UL << 30) + 1)])), "claims 1073741825 elements of 'k'");
        yield return Case("an array of texts that goes on", Small(file => file.Key("k", 9, [8, 0, 0, 0, .. BitConverter.GetBytes(1UL), .. BitConverter.GetBytes(1UL << 20)])), "past the end of the file");
        yield return Case("an array of an unknown type", Small(file => file.Key("k", 9, [13, 0, 0, 0, .. BitConverter.GetBytes(0UL)])), "'k' has the unknown value type 13");
        yield return Case("an array with a flag of 2", Small(file => file.Key("k", 9, [7, 0, 0, 0, .. BitConverter.GetBytes(2UL), 1, 2])), "'k' is 2; a flag is 0 or 1");
        yield return Case("negative tensors", Small(file => file.ClaimedTensors = 1UL << 63), "the header claims 9223372036854775808 tensors");
        yield return Case("more tensors than the file has room for", Small(file => file.ClaimedTensors = 99), "the header claims 99 tensors");
        yield return Case("more keys than the file has room for", Small(file => file.ClaimedKeys = 99), "the header claims 99 keys");
        yield return Case("a long key", Small(file => file.Key(new string('k', 65536), 1)), "a key is 65536 bytes long; 65535 are the most");
        yield return Case("an array of arrays", Small(file => file.Key("k", 9, [9, 0, 0, 0, .. BitConverter.GetBytes(0UL)])), "'k' is an array of arrays");
        yield return Case("an unknown value type", Small(file => file.Key("k", 13, 0)), "'k' has the unknown value type 13");
        yield return Case("a flag of 2", Small(file => file.Key("k", 7, 2)), "'k' is 2; a flag is 0 or 1");
        yield return Case("a key twice", Small(file => file.Key("k", 1).Key("k", 1)), "'k' is there twice");
        yield return Case("an empty key", Small(file => file.Key("", 1)), "a key is empty");
        yield return Case("a key that is no text", Small(file => file.Key("k", 8, [1, 0, 0, 0, 0, 0, 0, 0, 0xFF])), "not valid UTF-8");
        yield return Case("alignment of 0", Small(file => file.Key("general.alignment", 0)), "'general.alignment' is 0; it must be a power of two");
        yield return Case("alignment of 24", Small(file => file.Key("general.alignment", 24)), "it must be a power of two");
        yield return Case("alignment as text", Small(file => file.Key("general.alignment", "32")), "'general.alignment' has value type 8");
        yield return Case("another alignment than the data's", Small(file => file.Key("general.alignment", 64).Floats("b", [1], 1).Floats("c", [1], 1)), "overlaps");
        yield return Case("a tensor twice", Small(file => file.Floats("a", [1], 1)), "tensor 'a' is there twice");
        yield return Case("an overlap", Small(file => file.Tensor("b", 0, [1], new byte[4], offset: 0)), "tensor 'b' begins at byte 0 of the data and overlaps");
        yield return Case("a hole", Small(file => file.Tensor("b", 0, [1], new byte[4], offset: 64)), "tensor 'b' begins at byte 64 of the data and leaves a hole");
        yield return Case("an offset past 63 bits", Small(file => file.Tensor("b", 0, [1], new byte[4], offset: ulong.MaxValue)), "leaves a hole");
        yield return Case("data cut short", Small(static _ => { })[..^30], "ends past the end of the file");
        yield return Case("bytes behind the last tensor", [.. Small(static _ => { }), 0], "but the file goes on to");
        yield return Case("no dimension", Small(file => file.Tensor("b", 0, [], new byte[4])), "tensor 'b' has 0 dimensions");
        yield return Case("five dimensions", Small(file => file.Tensor("b", 0, [1, 1, 1, 1, 1], new byte[4])), "tensor 'b' has 5 dimensions");
        yield return Case("a dimension of 0", Small(file => file.Tensor("b", 0, [0], [])), "tensor 'b' has a dimension of 0");
        yield return Case("a negative dimension", Small(file => file.Tensor("b", 0, [-1], [])), "tensor 'b' has a dimension of 18446744073709551615");
        yield return Case("a size past 64 bits", Small(file => file.Tensor("b", 0, [1L << 32, 1L << 32], [])), "whose size passes 64 bits");
        yield return Case("bytes past 64 bits", Small(file => file.Tensor("b", 0, [1L << 62], [])), "whose size passes 64 bits");
        yield return Case("a removed type", Small(file => file.Tensor("b", 4, [32], new byte[18])), "tensor 'b' has type 4, Q4_2, which ggml removed; quantise the model again to a type of today.");
        yield return Case("a repacked type", Small(file => file.Tensor("b", 32, [32], new byte[18])), "tensor 'b' has type 32, Q4_0_4_8, which ggml removed");
        yield return Case("a fork's type", Small(file => file.Tensor("b", 133, [32], new byte[18])), "tensor 'b' has the unknown type 133, of a fork or a later version of ggml; quantise");
        yield return Case("a row of part of a block", Small(file => file.Tensor("b", 12, [1, 288], new byte[144])), "tensor 'b' has rows of 288 elements; Q4_K has blocks of 256");
        yield return Case("a row of half a block", Small(file => file.Tensor("b", 8, [2, 16], new byte[34])), "tensor 'b' has rows of 16 elements; Q8_0 has blocks of 32");
        yield return Case("a long name", Small(file => file.Floats(new string('n', 64), [1], 1)), "a tensor's name is 64 bytes long; 63 are the most");
        yield return Case("no architecture", new RawGguf().File(), "has no 'general.architecture'");
        yield return Case("another architecture", new RawGguf().Key("general.architecture", "rwkv7").File(), "'rwkv7', whose channel mixing looks at the token before, and so is no feed-forward network; supported are afmoe, apertus, arcee,");
        yield return Case("a mixture of another architecture", Llama("qwen2").Key("qwen2.expert_count", 4).File(), "mixtures of experts of this architecture");
        yield return Case("no epsilon", new RawGguf().Key("general.architecture", "llama").File(), "'llama.attention.layer_norm_rms_epsilon' is absent");
        yield return Case("no width", Llama("llama", dModelKey: "x").File(), "has no 'llama.embedding_length'");
        yield return Case("widths by layer", Llama("llama", dFfKey: "x").Key("llama.feed_forward_length", 9, [4, 0, 0, 0, .. new byte[8]]).File(), "'llama.feed_forward_length' is a list of 0, which has none for layer 0");
        yield return Case("an epsilon that is no number", Llama("llama", epsilon: float.NaN).File(), "'llama.attention.layer_norm_rms_epsilon' is '\"NaN\"'");
    }

    [TestCaseSource(nameof(DamagedFiles))]
    public void A_damaged_or_unknown_file_is_refused_by_name(byte[] bytes, string problem)
    {
        using var folder = new TempFolder();
        string path = folder.Write("model.gguf", bytes);
        CheckpointException error = Assert.Throws<CheckpointException>(() => FfnCheckpoint.Open(path).Dispose())!;
        Assert.That(error.Message, Does.StartWith(path + ": ").And.Contain(problem).And.Not.Contain("\n"));
    }

    [Test]
    public void Every_prefix_of_a_file_is_refused()
    {
        byte[] whole = Small(static _ => { });
        using var folder = new TempFolder();
        for (int length = 4; length < whole.Length - 28; length += 3)
        {
            string path = folder.Write("model.gguf", whole[..length]);
            Assert.That(() => FfnCheckpoint.Open(path).Dispose(), Throws.TypeOf<CheckpointException>(), $"{length} bytes");
        }
    }

    [TestCase(2u)]
    [TestCase(3u)]
    public void A_llama_is_computed_as_the_oracle_has_it(uint version)
    {
        const int width = 32;
        const int inner = 64;
        var random = new Random(7);
        float[] norm = [.. Enumerable.Range(0, width).Select(_ => 1 + (0.1f * random.NextSingle()))];
        (byte[] gate, float[] gateValues) = Quantised(random, width * inner);
        (byte[] up, float[] upValues) = Halves(random, width * inner);
        (byte[] down, float[] downValues) = Quantised(random, width * inner);
        RawGguf file = Llama("llama", width, inner).Key("tokens", 9, [8, 0, 0, 0, .. BitConverter.GetBytes(2UL), .. RawGguf.Text("a"), .. RawGguf.Text("b")])
            .Floats("blk.0.ffn_norm.weight", [width], norm)
            .Tensor("blk.0.ffn_gate.weight", 8, [inner, width], gate)
            .Tensor("other", 14, [1, 256], new byte[210])
            .Tensor("blk.0.ffn_up.weight", 30, [inner, width], up)
            .Tensor("blk.0.ffn_down.weight", 8, [width, inner], down);
        file.Version = version;
        using var folder = new TempFolder();
        folder.Write("any.gguf", file.File());
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder.Path);
        FfnCheckpointLayer found = checkpoint.GetLayer(0);
        Assert.That((checkpoint.ModelType, checkpoint.LayerCount, found.WeightType), Is.EqualTo(("llama", 1, "BF16+Q8_0")));
        Assert.That(found.Spec.PreNorm, Is.EqualTo(new NormSpec(NormKind.Rms, 1e-5f)));
        Assert.That(Weights.Read(found, "gate.weight", rowsAtATime: 3), Is.EqualTo(gateValues));
        Assert.That(Weights.Read(found, "up.weight"), Is.EqualTo(upValues));
        Assert.That(Weights.Read(found, "down.weight"), Is.EqualTo(downValues));
        var encoded = (IEncodedWeightSource)found.Weights;
        Assert.That(found.Spec.Tensors.Select(encoded.EncodingOf), Is.EqualTo(new[] { "q8_0", "bf16", "q8_0", "f32" }.Select(name => WeightEncodings.All.Single(known => known.Name == name))));

        using FfnEngine steps = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed, Precision = FfnPrecision.Int8 });
        using FfnLayer kept = steps.LoadLayer(checkpoint, 0);
        Assert.That(kept.QuantizationError, Is.LessThan(6e-3), "Q8_0 is kept as it is: what is lost is of the matrix in BF16");

        float[] x = [.. Enumerable.Range(0, width).Select(_ => random.NextSingle() - 0.5f)];
        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed });
        using FfnLayer layer = engine.LoadLayer(checkpoint, 0);
        float[] output = BackendTests.Forward(layer, FfnMode.Block, x);
        double scale = 1 / Math.Sqrt(x.Average(static value => (double)value * value) + 1e-5f);
        double[] normed = [.. x.Select((value, i) => value * scale * norm[i])];
        double[] hidden = [.. Enumerable.Range(0, inner).Select(row => Silu(Dot(gateValues, row, normed)) * Dot(upValues, row, normed))];
        double[] expected = [.. Enumerable.Range(0, width).Select(row => x[row] + Dot(downValues, row, hidden))];
        Assert.That(output, Is.EqualTo(expected).Within(1e-4));
    }

    [TestCase("I32", 26u, 256)]
    [TestCase("Q8_1", 9u, 72)]
    public void A_type_that_no_weights_have_is_named(string name, uint type, int bytes)
    {
        using var folder = new TempFolder();
        folder.Write("model.gguf", Llama("llama", 32, 2).Tensor("blk.0.ffn_gate.weight", type, [2, 32], new byte[bytes]).File());
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder.Path);
        Assert.That(
            () => checkpoint.GetLayer(0),
            Throws.TypeOf<CheckpointException>().With.Message.Contains($"'blk.0.ffn_gate.weight' has type {name}; weights of F32, F16, BF16, F64 and"));
    }

    [TestCase("gemma", "gelu-tanh", NormKind.Rms)]
    [TestCase("qwen3", "silu", NormKind.Rms)]
    public void Other_architectures_are_rows_of_the_same_table(string architecture, string activation, NormKind norm)
    {
        using var folder = new TempFolder();
        folder.Write("model.gguf", Llama(architecture)
            .Floats("blk.0.ffn_gate.weight", [1, 2], 1, 2).Floats("blk.0.ffn_up.weight", [1, 2], 3, 4).Floats("blk.0.ffn_down.weight", [2, 1], 5, 6)
            .Floats("blk.0.ffn_norm.weight", [2], 7, 8).File());
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder.Path);
        FfnSpec spec = checkpoint.GetLayer(0).Spec;
        Assert.That((spec.Kind, spec.PreNorm), Is.EqualTo((new FfnKind(true, ReferenceMath.Named(activation)), new NormSpec(norm, 1e-5f))));
    }

    [Test]
    public void Experts_of_a_llama_are_stacks()
    {
        using var folder = new TempFolder();
        folder.Write("model.gguf", Llama("llama").Key("llama.expert_count", 2).Key("llama.expert_used_count", 1)
            .Floats("blk.0.ffn_gate_inp.weight", [2, 2], 1, 2, 3, 4).Floats("blk.0.ffn_gate_exps.weight", [2, 1, 2], 5, 6, 7, 8)
            .Floats("blk.0.ffn_up_exps.weight", [2, 1, 2], 9, 10, 11, 12).Floats("blk.0.ffn_down_exps.weight", [2, 2, 1], 13, 14, 15, 16)
            .Floats("blk.0.ffn_norm.weight", [2], 17, 18).File());
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder.Path);
        FfnCheckpointLayer layer = checkpoint.GetLayer(0);
        Assert.That(layer.Spec.Mixture, Is.EqualTo(new MixtureSpec(2, 1)));
        Assert.That(Weights.Read(layer, "experts.1.up.weight"), Is.EqualTo(new[] { 11f, 12f }));
        Assert.That(Weights.Read(layer, "experts.1.down.weight"), Is.EqualTo(new[] { 15f, 16f }));
    }

    [Test]
    public void Short_arrays_of_numbers_are_kept_and_others_passed_over()
    {
        using var folder = new TempFolder();
        byte[] texts = [.. Enumerable.Range(0, 5000).SelectMany(static i => RawGguf.Text("token " + i))];
        string path = folder.Write("model.gguf", new RawGguf()
            .Key("widths", 9, [5, 0, 0, 0, .. BitConverter.GetBytes(3UL), .. new[] { 7, 0, 9 }.SelectMany(BitConverter.GetBytes)])
            .Key("flags", 9, [7, 0, 0, 0, .. BitConverter.GetBytes(2UL), 1, 0])
            .Key("tokens", 9, [8, 0, 0, 0, .. BitConverter.GetBytes(5000UL), .. texts])
            .Key("scores", 9, [6, 0, 0, 0, .. BitConverter.GetBytes(5000UL), .. new byte[20000]])
            .Key("after", 3).File());
        using var file = (GgufFile)TensorFiles.Open(path);
        Assert.That(file.Metadata.Counts("widths"), Is.EqualTo(new[] { 7, 0, 9 }));
        Assert.That(file.Metadata.Count("after"), Is.EqualTo(3));
        Assert.That(file.Tensors, Is.Empty);
        foreach (string key in new[] { "tokens", "scores" })
        {
            Assert.That(() => file.Metadata.Counts(key), Throws.TypeOf<CheckpointException>().With.Message.Contains($"'{key}' is '\"an array of 5000\"'"));
        }
    }

    [TestCase(1)]
    [TestCase(8)]
    [TestCase(4096)]
    public void Tensors_lie_at_multiples_of_the_alignment(int alignment)
    {
        using var folder = new TempFolder();
        RawGguf made = new RawGguf { Alignment = alignment }.Key("general.alignment", (uint)alignment).Floats("a", [3], 1, 2, 3).Floats("b", [2], 4, 5);
        using ITensorFile file = TensorFiles.Open(folder.Write("model.gguf", made.File()));
        float[] values = new float[2];
        StoredRows.Of(file, file.Tensors["b"]).ReadFloats(0, values);
        Assert.That(values, Is.EqualTo(new[] { 4f, 5f }));
    }

    [Test]
    public void The_padding_of_the_last_tensor_may_be_missing()
    {
        using var folder = new TempFolder();
        using ITensorFile file = TensorFiles.Open(folder.Write("model.gguf", Small(static _ => { })[..^28]));
        Assert.That(file.Tensors.Keys, Is.EqualTo(new[] { "a" }));
    }

    [Test]
    public void A_scale_beside_a_matrix_is_part_of_its_weights()
    {
        byte[] ones = [.. Enumerable.Repeat((byte)0x38, 4), .. Enumerable.Repeat((byte)0x22, 32)];
        using var folder = new TempFolder();
        folder.Write("model.gguf", Llama("llama", 64, 1)
            .Tensor("blk.0.ffn_gate.weight", 40, [1, 64], ones).Floats("blk.0.ffn_gate.scale", [1], 0.3f).Floats("blk.0.ffn_gate.input_scale", [1], 9)
            .Tensor("blk.0.ffn_up.weight", 40, [1, 64], ones)
            .Floats("blk.0.ffn_down.weight", [64, 1], new float[64]).Floats("blk.0.ffn_norm.weight", [64], new float[64]).File());
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder.Path);
        FfnCheckpointLayer layer = checkpoint.GetLayer(0);
        Assert.That(Weights.Read(layer, "gate.weight"), Is.All.EqualTo(0.3f));
        Assert.That(Weights.Read(layer, "up.weight"), Is.All.EqualTo(1f));
    }

    [Test]
    public void A_stack_has_a_scale_for_each_expert([Values(1, 2, 3)] int scales)
    {
        using var folder = new TempFolder();
        folder.Write("model.gguf", Llama("llama").Key("llama.expert_count", 2).Key("llama.expert_used_count", 1)
            .Floats("blk.0.ffn_gate_inp.weight", [2, 2], 1, 2, 3, 4).Floats("blk.0.ffn_gate_exps.weight", [2, 1, 2], 5, 6, 7, 8)
            .Floats("blk.0.ffn_up_exps.weight", [2, 1, 2], 9, 10, 11, 12).Floats("blk.0.ffn_down_exps.weight", [2, 2, 1], 13, 14, 15, 16)
            .Floats("blk.0.ffn_down_exps.scale", [scales], [.. Enumerable.Range(2, scales).Select(static i => (float)i)])
            .Floats("blk.0.ffn_norm.weight", [2], 17, 18).File());
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder.Path);
        if (scales == 3)
        {
            Assert.That(() => checkpoint.GetLayer(0), Throws.TypeOf<CheckpointException>().With.Message.Contains("'blk.0.ffn_down_exps.scale' has 3 elements"));
            return;
        }

        FfnCheckpointLayer layer = checkpoint.GetLayer(0);
        Assert.That(Weights.Read(layer, "experts.0.down.weight"), Is.EqualTo(new[] { 26f, 28f }));
        Assert.That(Weights.Read(layer, "experts.1.down.weight"), Is.EqualTo(scales == 1 ? new[] { 30f, 32f } : new[] { 45f, 48f }));
    }

    private static RawGguf Llama(
        string architecture, uint dModel = 2, uint dFf = 1, string dModelKey = "embedding_length", string dFfKey = "feed_forward_length", float epsilon = 1e-5f) =>
        new RawGguf().Key("general.architecture", architecture).Key(architecture + ".block_count", 1)
            .Key($"{architecture}.{dModelKey}", dModel).Key($"{architecture}.{dFfKey}", dFf)
            .Key(architecture + ".attention.layer_norm_rms_epsilon", epsilon);

    // One tensor 'a' of 4 bytes, and whatever is done to the file.
    private static byte[] Small(Action<RawGguf> change)
    {
        RawGguf file = Llama("llama").Floats("a", [1], 1);
        change(file);
        return file.File();
    }

    private static (byte[] Bytes, float[] Values) Quantised(Random random, int count)
    {
        var bytes = new List<byte>();
        var values = new List<float>();
        for (int block = 0; block < count / 32; block++)
        {
            var scale = (Half)(0.01f * random.NextSingle());
            sbyte[] steps = [.. Enumerable.Range(0, 32).Select(_ => (sbyte)random.Next(-127, 128))];
            bytes.AddRange([.. BitConverter.GetBytes(scale), .. steps.Select(static step => (byte)step)]);
            values.AddRange(steps.Select(step => (float)scale * step));
        }

        return ([.. bytes], [.. values]);
    }

    private static (byte[] Bytes, float[] Values) Halves(Random random, int count)
    {
        ushort[] bits = [.. Enumerable.Range(0, count).Select(_ => (ushort)(BitConverter.SingleToUInt32Bits(random.NextSingle() - 0.5f) >> 16))];
        return ([.. bits.SelectMany(BitConverter.GetBytes)], [.. bits.Select(static half => BitConverter.UInt32BitsToSingle((uint)half << 16))]);
    }

    private static double Silu(double x) => x / (1 + Math.Exp(-x));

    private static double Dot(float[] matrix, int row, double[] x) => x.Select((value, i) => value * matrix[(row * x.Length) + i]).Sum();

    private static TestCaseData Case(string name, byte[] bytes, string problem) => new TestCaseData(bytes, problem).SetName("GGUF refused: " + name);
}
