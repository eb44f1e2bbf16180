using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Files.Gguf;

/// <summary>Reads the part of a GGUF header that declares the tensors, and proves that they fill the rest of the file.</summary>
internal static class GgufTensors
{
    private const int MaxTensors = 1 << 20;
    private const int MaxNameBytes = 63;
    private const int MaxRank = 4;

    // Name of one letter, one dimension, type, offset.
    private const int MinTensorBytes = sizeof(ulong) + 1 + sizeof(uint) + sizeof(ulong) + sizeof(uint) + sizeof(ulong);

    /// <summary>Reads the count of tensors.</summary>
    public static int ReadCount(GgufReader reader) => reader.Count("tensors", MinTensorBytes, MaxTensors);

    /// <summary>Reads the tensors.</summary>
    /// <param name="reader">The header, behind the metadata.</param>
    /// <param name="length">Bytes of the file.</param>
    /// <param name="count">Tensors.</param>
    /// <param name="alignment">What their places are multiples of, in bytes.</param>
    public static Dictionary<string, TensorEntry> Read(GgufReader reader, long length, int count, uint alignment)
    {
        var found = new List<Declared>(count);
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
                throw reader.Error(
                    $"{quoted} begins at byte {offset} of the data and {what} the one before it, "
                    + $"which ends at byte {next - start} with its padding");
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

    private static Declared ReadTensor(GgufReader reader)
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
            shape[i] = dimension is >= 1 and <= long.MaxValue
                ? (long)dimension
                : throw reader.Error($"{quoted} has a dimension of {dimension}");
        }

        uint number = reader.UInt32();
        GgufType type = GgufTypes.Find(number) ?? throw reader.Refusal($"{quoted} {GgufTypes.WhyNot(number)}");
        if (shape[^1] % type.Columns != 0)
        {
            throw reader.Error($"{quoted} has rows of {shape[^1]} elements; {type.Name} has blocks of {type.Columns}");
        }

        try
        {
            long bytes = checked(TensorEntry.Product(shape) / type.Columns * type.Bytes);
            return new Declared(name, type, [.. shape], reader.UInt64(), bytes);
        }
        catch (OverflowException)
        {
            throw reader.Error($"{quoted} has shape {CheckpointText.Shape(shape)}, whose size passes 64 bits");
        }
    }

    private static long Align(long position, uint alignment) => checked((position + alignment - 1) / alignment * alignment);

    private readonly record struct Declared(string Name, GgufType Type, ImmutableArray<long> Shape, ulong Offset, long Bytes);
}
