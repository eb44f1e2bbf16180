using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Unicode;

namespace NativeFfn.Checkpoints.Files.Safetensors;

/// <summary>The checked header of a safetensors file: tensors that cover the data exactly, and the metadata strings.</summary>
internal sealed class SafetensorsHeader
{
    // Bounds on what a header may make the reader hold; real files have some thousands of tensors of up to five dimensions.
    private const int MaxTensors = 1 << 20;
    private const int MaxRank = 64;

    // The header's object, a tensor's object, its arrays.
    private const int MaxJsonDepth = 3;

    private const string MetadataName = "__metadata__";

    private readonly string _path;
    private readonly long _dataStart;
    private readonly long _dataLength;
    private readonly Dictionary<string, TensorEntry> _tensors = [];
    private readonly Dictionary<string, string> _metadata = [];

    private SafetensorsHeader(string path, long dataStart, long dataLength)
    {
        _path = path;
        _dataStart = dataStart;
        _dataLength = dataLength;
    }

    public IReadOnlyDictionary<string, TensorEntry> Tensors => _tensors;

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>Reads and checks a header.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="json">The header's bytes.</param>
    /// <param name="dataStart">The byte after the header, from which a header counts its offsets.</param>
    /// <param name="dataLength">Bytes from there to the end of the file.</param>
    public static SafetensorsHeader Parse(string path, ReadOnlySpan<byte> json, long dataStart, long dataLength)
    {
        var header = new SafetensorsHeader(path, dataStart, dataLength);
        if (json.IsEmpty || json[0] != (byte)'{')
        {
            throw header.Error("the header does not start with '{'");
        }

        if (!Utf8.IsValid(json))
        {
            throw header.Error("the header is not valid UTF-8");
        }

        try
        {
            header.ReadObject(json);
        }
        catch (JsonException problem)
        {
            throw header.Error($"the header is not valid JSON at byte {problem.BytePositionInLine}", problem);
        }
        catch (InvalidOperationException problem)
        {
            // An escape such as \uD800 that is no character.
            throw header.Error("the header has a string that is no valid text", problem);
        }

        header.RequireFullCover();
        return header;
    }

    private void ReadObject(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxJsonDepth });
        reader.Read();
        bool hasMetadata = false;
        while (ReadName(ref reader) is { } name)
        {
            if (name == MetadataName)
            {
                RequireOnce(ref hasMetadata, name, "the header");
                ReadMetadata(ref reader);
                continue;
            }

            if (_tensors.Count == MaxTensors)
            {
                throw Error($"the header has more than {MaxTensors} tensors");
            }

            if (!_tensors.TryAdd(name, ReadTensor(ref reader, name)))
            {
                throw Error($"the header has tensor {CheckpointText.Quote(name)} twice");
            }
        }

        // Nothing but white space may follow; anything else throws.
        reader.Read();
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null)
        {
            // The reference parser takes it for none.
            return;
        }

        RequireCurrent(ref reader, JsonTokenType.StartObject, MetadataName, "an object of strings");
        while (ReadName(ref reader) is { } key)
        {
            RequireToken(ref reader, JsonTokenType.String, $"{MetadataName} value {CheckpointText.Quote(key)}", "a string");
            if (!_metadata.TryAdd(key, reader.GetString()!))
            {
                throw Error($"{MetadataName} has {CheckpointText.Quote(key)} twice");
            }
        }
    }

    private TensorEntry ReadTensor(ref Utf8JsonReader reader, string name)
    {
        string quoted = $"tensor {CheckpointText.Quote(name)}";
        RequireToken(ref reader, JsonTokenType.StartObject, quoted, "an object");
        string? type = null;
        ImmutableArray<long>? shape = null;
        ImmutableArray<long>? offsets = null;
        while (ReadName(ref reader) is { } field)
        {
            bool seen = field switch
            {
                "dtype" => type is not null,
                "shape" => shape is not null,
                "data_offsets" => offsets is not null,
                _ => throw Error($"{quoted} has an unknown field {CheckpointText.Quote(field)}; it may have dtype, shape and data_offsets"),
            };
            RequireOnce(ref seen, field, quoted);
            switch (field)
            {
                case "dtype":
                    RequireToken(ref reader, JsonTokenType.String, $"dtype of {quoted}", "a string");
                    type = reader.GetString()!;
                    break;
                case "shape":
                    shape = ReadNumbers(ref reader, $"shape of {quoted}", MaxRank);
                    break;
                default:
                    offsets = ReadNumbers(ref reader, $"data_offsets of {quoted}", limit: 2);
                    break;
            }
        }

        return Check(
            name,
            quoted,
            type ?? throw Error($"{quoted} has no dtype"),
            shape ?? throw Error($"{quoted} has no shape"),
            offsets ?? throw Error($"{quoted} has no data_offsets"));
    }

    private TensorEntry Check(string name, string quoted, string type, ImmutableArray<long> shape, ImmutableArray<long> offsets)
    {
        int size = SafetensorsTypes.SizeOf(type);
        if (size == 0)
        {
            throw Error($"{quoted} has the unknown dtype {CheckpointText.Quote(type)}");
        }

        if (offsets.Length != 2)
        {
            throw Error($"data_offsets of {quoted} has {offsets.Length} numbers; it must have 2");
        }

        (long begin, long end) = (offsets[0], offsets[1]);
        if (end < begin)
        {
            throw Error($"{quoted} ends at byte {end}, before it begins at {begin}");
        }

        if (end > _dataLength)
        {
            throw Error($"{quoted} ends at byte {end} of the data, of which the file has {_dataLength}; it was cut short");
        }

        long bytes;
        try
        {
            bytes = checked(TensorEntry.Product(shape.AsSpan()) * size);
        }
        catch (OverflowException problem)
        {
            throw Error($"{quoted} has shape {CheckpointText.Shape(shape.AsSpan())}, whose size passes 64 bits", problem);
        }

        if (bytes != end - begin)
        {
            throw Error(
                $"{quoted} has {end - begin} bytes, but shape {CheckpointText.Shape(shape.AsSpan())} of {type} needs {bytes}");
        }

        return new TensorEntry(name, type, SafetensorsTypes.EncodingOf(type), shape, _dataStart + begin, bytes);
    }

    private void RequireFullCover()
    {
        long next = _dataStart;
        foreach (TensorEntry tensor in _tensors.Values.OrderBy(static tensor => tensor.Offset).ThenBy(static tensor => tensor.ByteLength))
        {
            if (tensor.Offset != next)
            {
                string what = tensor.Offset > next ? "leaves a hole behind" : "overlaps";
                throw Error(
                    $"tensor {CheckpointText.Quote(tensor.Name)} begins at byte {tensor.Offset - _dataStart} of the data and {what} the one before it, which ends at byte {next - _dataStart}");
            }

            next += tensor.ByteLength;
        }

        if (next != _dataStart + _dataLength)
        {
            throw Error($"the tensors end at byte {next - _dataStart} of the data, but the file goes on to {_dataLength}");
        }
    }

    // The next property's name, or null at the object's end.
    private static string? ReadName(ref Utf8JsonReader reader)
    {
        reader.Read();
        return reader.TokenType == JsonTokenType.PropertyName ? reader.GetString() : null;
    }

    private void RequireToken(ref Utf8JsonReader reader, JsonTokenType expected, string thing, string description)
    {
        reader.Read();
        RequireCurrent(ref reader, expected, thing, description);
    }

    private void RequireCurrent(ref Utf8JsonReader reader, JsonTokenType expected, string thing, string description)
    {
        if (reader.TokenType != expected)
        {
            throw Error($"{thing} is {Describe(ref reader)}; it must be {description}");
        }
    }

    private void RequireOnce(ref bool seen, string field, string owner)
    {
        if (seen)
        {
            throw Error($"{owner} has {CheckpointText.Quote(field)} twice");
        }

        seen = true;
    }

    private ImmutableArray<long> ReadNumbers(ref Utf8JsonReader reader, string thing, int limit)
    {
        RequireToken(ref reader, JsonTokenType.StartArray, thing, "an array of integers");
        ImmutableArray<long>.Builder numbers = ImmutableArray.CreateBuilder<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            // A minus sign is refused as such, lest -0 should pass for a number of things.
            if (reader.TokenType != JsonTokenType.Number || reader.ValueSpan[0] == (byte)'-' || !reader.TryGetInt64(out long number))
            {
                throw Error($"{thing} has {Describe(ref reader)}, which is no integer from 0 to {long.MaxValue}");
            }

            if (numbers.Count == limit)
            {
                throw Error($"{thing} has more than {limit} numbers");
            }

            numbers.Add(number);
        }

        return numbers.DrainToImmutable();
    }

    private static string Describe(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => "the string " + CheckpointText.Quote(reader.ValueSpan),
        _ => CheckpointText.Quote(reader.ValueSpan),
    };

    private CheckpointException Error(string problem, Exception? inner = null) =>
        new($"{_path}: {problem}. The file is damaged or no safetensors file; get it again.", inner);
}
