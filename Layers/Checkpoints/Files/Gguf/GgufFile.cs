using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Files.Gguf;

/// <summary>A GGUF file of version 2 or 3 open for reading, with the configuration of its model in it.</summary>
/// <remarks>
/// A file is a header of counts, metadata, the tensors' names, shapes, types and places, then the tensors, each padded to the alignment. The
/// header is checked in full on opening: the tensors follow one another without holes and reach to the file's end. Little-endian files
/// only. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
/// </remarks>
internal sealed class GgufFile : ITensorFile
{
    private const int MaxTensors = 1 << 20;
    private const int MaxNameBytes = 63;
    private const int MaxRank = 4;

    // Name of one letter, one dimension, type, offset.
    private const int MinTensorBytes = sizeof(ulong) + 1 + sizeof(uint) + sizeof(ulong) + sizeof(uint) + sizeof(ulong);

    private readonly TensorData _data;

    private GgufFile(TensorData data, Dictionary<string, TensorEntry> tensors, Dictionary<string, JsonElement> metadata)
    {
        _data = data;
        Tensors = tensors.ToFrozenDictionary();
        Model = GgufModel.Read(data.Path, metadata, Tensors.ContainsKey);
    }

    /// <inheritdoc/>
    public string Path => _data.Path;

    /// <inheritdoc/>
    public FrozenDictionary<string, TensorEntry> Tensors { get; }

    /// <inheritdoc/>
    public string ReadableTypes => GgufTypes.ReadableList;

    /// <inheritdoc/>
    public StoredModel? Model { get; }

    /// <summary>Checks a file's whole header.</summary>
    public static ITensorFile Open(TensorData data)
    {
        var reader = new GgufReader(data);
        reader.Skip(sizeof(uint));
        RequireVersion(reader, data.Path, reader.UInt32());
        int tensorCount = reader.Count("tensors", MinTensorBytes, MaxTensors);
        Dictionary<string, JsonElement> metadata = GgufMetadata.Read(reader, GgufMetadata.ReadCount(reader));
        uint alignment = GgufMetadata.Alignment(reader, metadata);
        return new GgufFile(data, ReadTensors(reader, data.Length, tensorCount, alignment), metadata);
    }

    /// <inheritdoc/>
    public void ReadBlocks(TensorEntry tensor, long firstRow, Span<byte> rows)
    {
        if (tensor.Type == GgufTypes.Quantised8)
        {
            ReadQuantised8(tensor, firstRow, rows);
        }
        else
        {
            _data.ReadRows(tensor, firstRow, rows);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _data.Dispose();

    private static void RequireVersion(GgufReader reader, string path, uint version)
    {
        if ((version & 0xFFFF) == 0)
        {
            throw new CheckpointException($"{path}: is a big-endian GGUF file; little-endian ones can be read. Convert it.");
        }

        if (version is not (2 or 3))
        {
            throw reader.Error($"GGUF version {version} is not read; versions 2 and 3 are");
        }
    }

    private static Dictionary<string, TensorEntry> ReadTensors(GgufReader reader, long length, int count, uint alignment)
    {
        var found = new List<(string Name, GgufType Type, ImmutableArray<long> Shape, ulong Offset, long Bytes)>(count);
        for (int i = 0; i < count; i++)
        {
            found.Add(ReadTensor(reader));
        }

        var tensors = new Dictionary<string, TensorEntry>();
        long start = Align(reader.Position, alignment);
        long next = start;
        foreach ((string name, GgufType type, ImmutableArray<long> shape, ulong offset, long bytes) in found)
        {
            string quoted = $"tensor {CheckpointText.Quote(name)}";
            if (offset != (ulong)(next - start))
            {
                string what = offset > (ulong)(next - start) ? "leaves a hole behind" : "overlaps";
                throw reader.Error($"{quoted} begins at byte {offset} of the data and {what} the one before it, which ends at byte {next - start} with its padding");
            }

            if (next > length || bytes > length - next)
            {
                throw reader.Error($"{quoted} of {bytes} bytes ends past the end of the file, which has {length}; it was cut short");
            }

            if (!tensors.TryAdd(name, new TensorEntry(name, type.Name, type.Encoding, shape, next, bytes)))
            {
                throw reader.Error($"{quoted} is there twice");
            }

            next = Align(next + bytes, alignment);
        }

        return next >= length ? tensors : throw reader.Error($"the tensors end at byte {next}, but the file goes on to {length}");
    }

    private static (string Name, GgufType Type, ImmutableArray<long> Shape, ulong Offset, long Bytes) ReadTensor(GgufReader reader)
    {
        string name = reader.Text("a tensor's name", MaxNameBytes);
        string quoted = $"tensor {CheckpointText.Quote(name)}";
        uint rank = reader.UInt32();
        if (rank is < 1 or > MaxRank)
        {
            throw reader.Error($"{quoted} has {rank} dimensions; it may have 1 to {MaxRank}");
        }

        // The file has the innermost first.
        long[] shape = new long[rank];
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            ulong dimension = reader.UInt64();
            shape[i] = dimension is >= 1 and <= long.MaxValue ? (long)dimension : throw reader.Error($"{quoted} has a dimension of {dimension}");
        }

        uint number = reader.UInt32();
        GgufType type = GgufTypes.Find(number) ?? throw reader.Error($"{quoted} has the unknown or removed type {number}; make the file again with a type of today");
        if (shape[^1] % type.Columns != 0)
        {
            throw reader.Error($"{quoted} has rows of {shape[^1]} elements; {type.Name} has blocks of {type.Columns}");
        }

        try
        {
            long bytes = checked(TensorEntry.Product(shape) / type.Columns * type.Bytes);
            return (name, type, [.. shape], reader.UInt64(), bytes);
        }
        catch (OverflowException)
        {
            throw reader.Error($"{quoted} has shape {CheckpointText.Shape(shape)}, whose size passes 64 bits");
        }
    }

    private static long Align(long position, uint alignment) => checked((position + alignment - 1) / alignment * alignment);

    // The stored blocks are read into the end of the span, and each is widened towards its start: a block is longer than it was stored, so
    // that what is written never reaches what is still to be read.
    private void ReadQuantised8(TensorEntry tensor, long firstRow, Span<byte> rows)
    {
        const int storedScale = sizeof(ushort);
        const int storedBytes = storedScale + Int8Encoding.Group;
        const int blockBytes = Int8Encoding.ScaleBytes + Int8Encoding.Group;
        (int count, int rest) = Math.DivRem(rows.Length, blockBytes);
        if (rest != 0)
        {
            throw new ArgumentException($"{rows.Length} bytes are no whole blocks of {blockBytes}.", nameof(rows));
        }

        Span<byte> stored = rows[(count * (blockBytes - storedBytes))..];
        _data.ReadRows(tensor, firstRow, stored);
        for (int i = 0; i < count; i++)
        {
            Span<byte> from = stored.Slice(i * storedBytes, storedBytes);
            Span<byte> block = rows.Slice(i * blockBytes, blockBytes);
            float scale = (float)MemoryMarshal.Read<Half>(from);
            from[storedScale..].CopyTo(block[Int8Encoding.ScaleBytes..]);
            MemoryMarshal.Write(block, scale);
        }
    }
}
