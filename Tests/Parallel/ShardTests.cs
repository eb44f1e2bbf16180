using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using NativeFfn.Backends;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Parallel;
using NativeFfn.Checkpoints;
using NativeFfn.Tests.Cli;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>
/// Parts of the tensors of checkpoints, fused, interleaved, transposed and quantised ones too: together they are the whole, bit by bit.
/// </summary>
[TestFixture]
public sealed class ShardTests
{
    // Reading the counter itself, a header, and what a read takes along.
    private const long Slack = 16 * 1024;

    private static IEnumerable<string> Folders =>
        from kind in (string[])["cases", "families", "gguf", "quantised"]
        from folder in Directory.EnumerateDirectories(Path.Combine(AppContext.BaseDirectory, "Golden", kind)).Order(StringComparer.Ordinal)
        select $"{kind}/{Path.GetFileName(folder)}";

    [Test]
    public void Parts_of_all_ranks_are_the_whole(
        [ValueSource(nameof(Folders))] string name, [Values(FfnPrecision.Float32, FfnPrecision.Stored)] FfnPrecision precision)
    {
        using FfnCheckpoint checkpoint = Open(name, out int index);
        FfnCheckpointLayer layer = checkpoint.GetLayer(index);
        if (LayerCut.WhyNot(layer.Spec) is { } reason)
        {
            Assert.Pass($"not cut: {reason}");
        }

        bool wasCut = false;
        foreach (ParallelPlan plan in (ParallelPlan[])[new(2, 1), new(3, 1), new(1, 2), new(1, 3), new(2, 2)])
        {
            if (layer.Spec.Mixture is not null || plan.Expert == 1)
            {
                wasCut |= TryCompare(layer, plan, precision);
            }
        }

        Assert.That(wasCut || SmallestCut(layer, precision) > layer.Spec.DFf / 2, "no plan could cut it");
    }

    [Test]
    public void A_rank_reads_its_own_bytes_of_a_file([Values("f32", "bf16")] string type, [Values(2, 3)] int ranks)
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("what a thread reads is counted by Linux alone.");
        }

        using var folder = new CommandFolder();
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder.Checkpoint(shape: "256x2046", type: type));
        FfnCheckpointLayer layer = checkpoint.GetLayer(0);
        long weightBytes = layer.Spec.Tensors.Where(static tensor => !tensor.IsVector).Sum(static tensor => tensor.ElementCount)
            * (type == "f32" ? 4 : 2);
        for (int rank = 0; rank < ranks; rank++)
        {
            LayerPart part = new LayerCut(layer.Spec, layer.Weights, FfnPrecision.Float32, rank, ranks).Parts(ParallelPlan.Auto).Single();
            var source = (IEncodedWeightSource)part.Weights;
            long before = ReadSoFar();
            foreach (FfnTensor tensor in part.Spec.Tensors)
            {
                source.ReadBlocks(tensor, 0, new byte[tensor.Rows * source.EncodingOf(tensor).RowBytes(tensor.Columns)]);
            }

            Assert.That(ReadSoFar() - before, Is.EqualTo(weightBytes / ranks).Within(Slack), $"rank {rank} of {ranks}");
        }
    }

    private static FfnCheckpoint Open(string name, out int layer)
    {
        string folder = Path.Combine(AppContext.BaseDirectory, "Golden", name);
        JsonElement facts = JsonSerializer.Deserialize<JsonElement>(File.ReadAllBytes(Path.Combine(folder, "case.json")));
        layer = facts.GetProperty("layer").GetInt32();
        CheckpointTower? tower = facts.TryGetProperty("tower", out JsonElement asked)
            && Names<CheckpointTower>.TryParse(asked.GetString(), out CheckpointTower named) ? named : null;
        return FfnCheckpoint.Open(
            facts.TryGetProperty("model", out JsonElement model) ? Path.Combine(folder, model.GetString()!) : folder, tower);
    }

    private static int SmallestCut(FfnCheckpointLayer layer, FfnPrecision precision)
    {
        FfnTensor down = layer.Spec.Tensors.First(static tensor => tensor is { Role: FfnTensorRole.Weight, Stage: 1 });
        return Math.Max(
            WeightEncodings.Choose(precision, layer.Weights, down).CutColumns,
            (layer.Weights as IEncodedWeightSource)?.EncodingOf(down).CutColumns ?? 1);
    }

    private static bool TryCompare(FfnCheckpointLayer layer, ParallelPlan plan, FfnPrecision precision)
    {
        var pieces = new Dictionary<TensorKey, List<(FfnTensor Part, float[] Values)>>();
        for (int rank = 0; rank < plan.Ranks; rank++)
        {
            IReadOnlyList<LayerPart> parts;
            try
            {
                parts = new LayerCut(layer.Spec, layer.Weights, precision, rank, plan.Ranks).Parts(plan);
            }
            catch (NotSupportedException tooMany) when (tooMany.Message.Contains("ranks at most", StringComparison.Ordinal))
            {
                return false;
            }

            foreach (FfnTensor tensor in parts.Single().Spec.Tensors.Where(
                static tensor => !tensor.IsVector && tensor.Role is FfnTensorRole.Weight or FfnTensorRole.UpWeight))
            {
                pieces.TryAdd(tensor.Key, []);
                pieces[tensor.Key].Add((tensor, Read((IEncodedWeightSource)parts[0].Weights, tensor)));
            }
        }

        FfnTensor[] matrices = [.. layer.Spec.Tensors.Where(
            static tensor => !tensor.IsVector && tensor.Role is FfnTensorRole.Weight or FfnTensorRole.UpWeight)];
        Assert.That(pieces.Keys, Is.EquivalentTo(matrices.Select(static tensor => tensor.Key)));
        foreach (FfnTensor whole in matrices)
        {
            float[] expected = new float[whole.ElementCount];
            layer.Weights.ReadRows(whole, 0, expected);
            float[] joined = whole.Stage == 0
                ? [.. pieces[whole.Key].SelectMany(static piece => piece.Values)]
                : [.. Enumerable.Range(0, whole.Rows).SelectMany(row => pieces[whole.Key].SelectMany(
                    piece => piece.Values.AsSpan(row * piece.Part.Columns, piece.Part.Columns).ToArray()))];
            Assert.That(
                MemoryMarshal.AsBytes(joined.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(expected.AsSpan())), $"{whole.Name} by {plan}");
        }

        return true;
    }

    // As floats, which what is stored has to decode to as well.
    private static float[] Read(IEncodedWeightSource source, FfnTensor tensor)
    {
        float[] values = new float[tensor.ElementCount];
        source.ReadRows(tensor, 0, values);
        WeightEncoding encoding = source.EncodingOf(tensor);
        int bytes = (int)encoding.RowBytes(tensor.Columns);
        byte[] stored = new byte[tensor.Rows * bytes];
        source.ReadBlocks(tensor, 0, stored);
        float[] decoded = new float[values.Length];
        for (int row = 0; row < tensor.Rows; row++)
        {
            encoding.Decode(stored.AsSpan(row * bytes, bytes), 0, decoded.AsSpan(row * tensor.Columns, tensor.Columns));
        }

        Assert.That(MemoryMarshal.AsBytes(decoded.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(values.AsSpan())), tensor.Name);
        return values;
    }

    private static long ReadSoFar() => long.Parse(
        File.ReadLines("/proc/thread-self/io").First(static line => line.StartsWith("rchar:", StringComparison.Ordinal))[7..],
        CultureInfo.InvariantCulture);
}
