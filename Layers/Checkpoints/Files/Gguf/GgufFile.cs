using System.Collections.Frozen;
using System.Text.Json;

namespace NativeFfn.Checkpoints.Files.Gguf;

/// <summary>A GGUF file of version 2 or 3 open for reading, with the configuration of its model in it.</summary>
/// <remarks>
/// A file is a header of counts, metadata, the tensors' names, shapes, types and places, then the tensors, each padded to the alignment.
/// The header is checked in full on opening: the tensors follow one another without holes and reach to the file's end. Little-endian files
/// only. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
/// </remarks>
internal sealed class GgufFile : ITensorFile
{
    private readonly TensorData _data;
    private readonly Dictionary<string, JsonElement> _metadata;

    private GgufFile(TensorData data, Dictionary<string, TensorEntry> tensors, Dictionary<string, JsonElement> metadata)
    {
        _data = data;
        _metadata = metadata;
        Tensors = tensors.ToFrozenDictionary();
    }

    /// <inheritdoc/>
    public string Path => _data.Path;

    /// <inheritdoc/>
    public FrozenDictionary<string, TensorEntry> Tensors { get; }

    /// <inheritdoc/>
    public string ReadableTypes => GgufTypes.ReadableList;

    /// <inheritdoc/>
    public bool HasScales => true;

    /// <summary>The metadata.</summary>
    public CheckpointConfig Metadata => new(Path, _metadata);

    /// <summary>Checks a file's whole header; of one that is part of a split, the headers of all.</summary>
    public static ITensorFile Open(TensorData data)
    {
        GgufFile file = OpenOne(data);
        return GgufSplit.Of(file) is { } split ? GgufSplitFile.Open(file, split) : file;
    }

    /// <summary>Checks a file's whole header, whether it is part of a split or not.</summary>
    public static GgufFile OpenOne(TensorData data)
    {
        var reader = new GgufReader(data);
        RequireVersion(reader);
        int tensorCount = GgufTensors.ReadCount(reader);
        Dictionary<string, JsonElement> metadata = GgufMetadata.Read(reader, GgufMetadata.ReadCount(reader));
        uint alignment = GgufMetadata.Alignment(reader, metadata);
        return new GgufFile(data, GgufTensors.Read(reader, data.Length, tensorCount, alignment), metadata);
    }

    /// <inheritdoc/>
    public StoredModel? ReadModel() => ReadModel(Tensors.ContainsKey);

    /// <summary>The model, of which other files may have tensors as well.</summary>
    /// <param name="hasTensor">Whether there is a tensor.</param>
    public StoredModel ReadModel(Func<string, bool> hasTensor) => GgufModel.Read(Path, _metadata, hasTensor);

    /// <inheritdoc/>
    public void ReadBlocks(TensorEntry tensor, long firstRow, Span<byte> rows) => _data.ReadRows(tensor, firstRow, rows);

    /// <inheritdoc/>
    public void Dispose() => _data.Dispose();

    private static void RequireVersion(GgufReader reader)
    {
        if (!reader.Next(sizeof(uint)).SequenceEqual("GGUF"u8))
        {
            throw reader.Refusal("is no GGUF file. Get the file again");
        }

        uint version = reader.UInt32();
        if (version is 2 or 3)
        {
            return;
        }

        throw reader.Refusal(
            version != 0 && (version & 0xFFFF) == 0 ? "is a big-endian GGUF file; little-endian ones can be read. Convert it"
            : version == 1 ? "is of GGUF version 1, which nothing reads any more; versions 2 and 3 are read. Convert the model again"
            : $"is of GGUF version {version}, which is not known; versions 2 and 3 are read. Convert the model to one of them");
    }
}
