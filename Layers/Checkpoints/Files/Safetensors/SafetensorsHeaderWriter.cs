using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text.Json;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Files.Safetensors;

/// <summary>A tensor that a writer has promised.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">The type of its elements.</param>
/// <param name="ElementBytes">Bytes of one.</param>
/// <param name="Elements">Elements in all.</param>
internal readonly record struct DeclaredTensor(string Name, string Type, int ElementBytes, long Elements)
{
    /// <summary>How floats become elements; null where they cannot.</summary>
    public WeightEncoding? Encoding => SafetensorsTypes.EncodingOf(Type) is { Precision: not null } encoding ? encoding : null;
}

/// <summary>Lays declared tensors out one after the other and writes the header that says so.</summary>
internal static class SafetensorsHeaderWriter
{
    // The data begins aligned, and so does every tensor whose predecessors have whole multiples of this many bytes.
    private const int DataAlignment = 8;

    // Leaves room for the header, so that no sum of lengths passes 64 bits.
    private const long MaxDataBytes = long.MaxValue / 2;

    private const string MetadataName = "__metadata__";

    /// <summary>The header's bytes, its length in front, and what was declared.</summary>
    public static byte[] Write(
        IReadOnlyList<(string Name, string Type, long[] Shape)> tensors,
        IReadOnlyDictionary<string, string>? metadata,
        out ImmutableArray<DeclaredTensor> declared,
        out long dataBytes)
    {
        var buffer = new ArrayBufferWriter<byte>();
        buffer.Write(stackalloc byte[SafetensorsFile.LengthBytes]);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            WriteMetadata(json, metadata);
            (declared, dataBytes) = WriteTensors(json, tensors);
            json.WriteEndObject();
        }

        Span<byte> padding = stackalloc byte[(DataAlignment - (buffer.WrittenCount % DataAlignment)) % DataAlignment];
        padding.Fill((byte)' ');
        buffer.Write(padding);
        byte[] header = buffer.WrittenSpan.ToArray();
        int length = header.Length - SafetensorsFile.LengthBytes;
        if (length > SafetensorsFile.MaxHeaderBytes)
        {
            throw new ArgumentException($"The header has {length} bytes; the limit is {SafetensorsFile.MaxHeaderBytes}.", nameof(tensors));
        }

        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)length);
        return header;
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string>? metadata)
    {
        if (metadata is not { Count: > 0 })
        {
            return;
        }

        json.WriteStartObject(MetadataName);
        foreach ((string key, string value) in metadata)
        {
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    }

    private static (ImmutableArray<DeclaredTensor> Declared, long DataBytes) WriteTensors(
        Utf8JsonWriter json, IReadOnlyList<(string Name, string Type, long[] Shape)> tensors)
    {
        ImmutableArray<DeclaredTensor>.Builder declared = ImmutableArray.CreateBuilder<DeclaredTensor>(tensors.Count);
        var names = new HashSet<string> { MetadataName };
        long offset = 0;
        foreach ((string name, string type, long[] shape) in tensors)
        {
            string quoted = $"Tensor {CheckpointText.Quote(name)}";
            if (!names.Add(name))
            {
                throw new ArgumentException($"{quoted} is declared twice or has a reserved name.", nameof(tensors));
            }

            int size = SafetensorsTypes.SizeOf(type);
            if (size == 0)
            {
                throw new ArgumentException($"{quoted} has the unknown type {CheckpointText.Quote(type)}.", nameof(tensors));
            }

            long elements = Elements(shape, (MaxDataBytes - offset) / size) ?? throw new ArgumentException(
                $"{quoted} has shape {CheckpointText.Shape(shape)}, which has a negative size or is too large for a file.", nameof(tensors));
            long end = offset + (elements * size);
            json.WriteStartObject(name);
            json.WriteString("dtype", type);
            WriteNumbers(json, "shape", shape);
            WriteNumbers(json, "data_offsets", [offset, end]);
            json.WriteEndObject();
            declared.Add(new DeclaredTensor(name, type, size, elements));
            offset = end;
        }

        return (declared.MoveToImmutable(), offset);
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, ReadOnlySpan<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (long number in numbers)
        {
            json.WriteNumberValue(number);
        }

        json.WriteEndArray();
    }

    private static long? Elements(ReadOnlySpan<long> shape, long limit)
    {
        Int128 product = 1;
        foreach (long dimension in shape)
        {
            product *= dimension;
            if (dimension < 0 || product > limit)
            {
                return null;
            }
        }

        return (long)product;
    }
}
