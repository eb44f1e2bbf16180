using System.Collections.Frozen;

namespace NativeFfn.Checkpoints.Files.Gguf;

/// <summary>
/// The parts of a model that was split into several GGUF files, as one. The first has the model's metadata; each tensor is in one part.
/// </summary>
internal sealed class GgufSplitFile : ITensorFile
{
    private readonly GgufFile[] _parts;
    private readonly FrozenDictionary<string, GgufFile> _partOf;

    private GgufSplitFile(GgufFile[] parts)
    {
        _parts = parts;
        var partOf = new Dictionary<string, GgufFile>();
        foreach (GgufFile part in parts)
        {
            foreach (string name in part.Tensors.Keys)
            {
                if (!partOf.TryAdd(name, part))
                {
                    throw new CheckpointException(
                        $"{part.Path}: has tensor {CheckpointText.Quote(name)}, which is in {partOf[name].Path} as well. "
                        + "Get both files again.");
                }
            }
        }

        const string totalKey = "split.tensors.count";
        int total = parts[0].Metadata.Count(totalKey);
        if (total != partOf.Count)
        {
            throw parts[0].Metadata.Wrong(
                totalKey, $"{total}, but its {parts.Length} parts have {partOf.Count} tensors. Get all of them again, from one place");
        }

        _partOf = partOf.ToFrozenDictionary();
        Tensors = parts.SelectMany(static part => part.Tensors).ToFrozenDictionary();
    }

    /// <summary>The first part.</summary>
    public string Path => _parts[0].Path;

    /// <inheritdoc/>
    public FrozenDictionary<string, TensorEntry> Tensors { get; }

    /// <inheritdoc/>
    public string ReadableTypes => GgufTypes.ReadableList;

    /// <inheritdoc/>
    public bool HasScales => true;

    /// <summary>Opens the parts beside one of them, whichever it is.</summary>
    /// <param name="opened">The part that was opened; owned from then on.</param>
    /// <param name="split">What it says of its split.</param>
    public static GgufSplitFile Open(GgufFile opened, GgufSplit split)
    {
        string ending = $"-{split.Number + 1:D5}-of-{split.Count:D5}.gguf";
        GgufPartName? name = GgufPartName.Parse(opened.Path);
        if (name is null || name.Number != split.Number + 1 || name.Count != split.Count)
        {
            throw new CheckpointException(
                $"{opened.Path}: is part {split.Number + 1} of {split.Count}, but its name does not end in '{ending}', "
                + "by which the others are found. Name the files so.");
        }

        var parts = new List<GgufFile>();
        try
        {
            for (int number = 1; number <= split.Count; number++)
            {
                parts.Add(number == name.Number ? opened : OpenPart(name.PathOf(number), opened, split with { Number = number - 1 }));
            }

            return new GgufSplitFile([.. parts]);
        }
        catch
        {
            parts.ForEach(static part => part.Dispose());
            throw;
        }
    }

    /// <inheritdoc/>
    public StoredModel? ReadModel() => _parts[0].ReadModel(Tensors.ContainsKey);

    /// <inheritdoc/>
    public void ReadBlocks(TensorEntry tensor, long firstRow, Span<byte> rows) => _partOf[tensor.Name].ReadBlocks(tensor, firstRow, rows);

    /// <inheritdoc/>
    public void Dispose() => Array.ForEach(_parts, static part => part.Dispose());

    private static GgufFile OpenPart(string path, GgufFile opened, GgufSplit expected)
    {
        if (!File.Exists(path))
        {
            throw new CheckpointException(
                $"{path}: no such file, but {opened.Path} is one of {expected.Count} parts. Get the missing part.");
        }

        TensorData data = TensorData.Open(path);
        try
        {
            GgufFile part = GgufFile.OpenOne(data);
            return GgufSplit.Of(part) is { } split && split == expected
                ? part
                : throw new CheckpointException(
                    $"{path}: does not say that it is part {expected.Number + 1} of {expected.Count}, as {opened.Path} does. "
                    + "Get all parts again, from one place.");
        }
        catch
        {
            data.Dispose();
            throw;
        }
    }
}
