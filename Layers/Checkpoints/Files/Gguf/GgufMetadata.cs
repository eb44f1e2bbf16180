using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;

namespace NativeFfn.Checkpoints.Files.Gguf;

/// <summary>
/// The metadata of a GGUF file: numbers, flags, short texts and short arrays of numbers and flags by key. Long texts are passed over; of
/// other arrays, such as a vocabulary, is kept that they are some.
/// </summary>
internal static class GgufMetadata
{
    private const string AlignmentKey = "general.alignment";
    private const int MaxKeys = 1 << 16;
    private const int MaxKeyBytes = ushort.MaxValue;
    private const int MaxKeptText = 1024;
    private const ulong MaxTextBytes = 1 << 30;
    private const int MaxElements = 1 << 30;

    // An array of a number for each layer is kept; no model comes near so many layers.
    private const int MaxKeptElements = 4096;

    // Length, one letter, type, value.
    private const int MinKeyBytes = sizeof(ulong) + 1 + sizeof(uint) + 1;

    private const uint BoolType = 7;
    private const uint StringType = 8;
    private const uint ArrayType = 9;

    // Bytes of a value by its type; a text has its length, an array its type and count at least.
    private static ReadOnlySpan<byte> Sizes => [1, 1, 2, 2, 4, 4, 4, 1, sizeof(ulong), 12, 8, 8, 8];

    /// <summary>Reads all keys.</summary>
    public static Dictionary<string, JsonElement> Read(GgufReader reader, int count)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var values = new Dictionary<string, JsonElement>();
        for (int i = 0; i < count; i++)
        {
            string key = reader.Text("a key", MaxKeyBytes);
            string quoted = CheckpointText.Quote(key);
            if (key.Length == 0 || !names.Add(key))
            {
                throw reader.Error(key.Length == 0 ? "a key is empty" : $"the key {quoted} is there twice");
            }

            uint type = RequireType(reader, quoted, reader.UInt32());
            if (key == AlignmentKey && type != 4)
            {
                throw reader.Error($"the key {quoted} has value type {type}; it must be 4, a uint32");
            }

            if (ReadValue(reader, quoted, type) is { } value)
            {
                values.Add(key, value);
            }
        }

        return values;
    }

    /// <summary>Reads the count of keys.</summary>
    public static int ReadCount(GgufReader reader) => reader.Count("keys", MinKeyBytes, MaxKeys);

    /// <summary>What tensors' places are multiples of, in bytes.</summary>
    public static uint Alignment(GgufReader reader, Dictionary<string, JsonElement> values)
    {
        const uint absent = 32;
        uint alignment = values.TryGetValue(AlignmentKey, out JsonElement value) ? value.GetUInt32() : absent;
        return uint.IsPow2(alignment) ? alignment : throw reader.Error($"'{AlignmentKey}' is {alignment}; it must be a power of two");
    }

    private static uint RequireType(GgufReader reader, string key, uint type) =>
        type < Sizes.Length ? type : throw reader.Error($"the key {key} has the unknown value type {type}");

    private static JsonElement? ReadValue(GgufReader reader, string key, uint type)
    {
        switch (type)
        {
            case StringType:
                return ReadText(reader, key);
            case ArrayType:
                return ReadArray(reader, key);
            default:
                return Json(ReadNumber(reader, key, type));
        }
    }

    // A number or flag, as JSON spells it.
    private static string ReadNumber(GgufReader reader, string key, uint type)
    {
        ReadOnlySpan<byte> bytes = reader.Next(Sizes[(int)type]);
        return type switch
        {
            BoolType when bytes[0] > 1 => throw reader.Error($"the key {key} is {bytes[0]}; a flag is 0 or 1"),
            BoolType => bytes[0] == 1 ? "true" : "false",
            6 or 12 => ReadFloat(bytes),
            _ => ReadInteger(bytes, isSigned: type is 1 or 3 or 5 or 11).ToString(CultureInfo.InvariantCulture),
        };
    }

    // A number that JSON has none for becomes a text, which no reader of numbers takes.
    private static string ReadFloat(ReadOnlySpan<byte> bytes)
    {
        double value = bytes.Length == sizeof(float) ? BinaryPrimitives.ReadSingleLittleEndian(bytes) : BinaryPrimitives.ReadDoubleLittleEndian(bytes);
        string text = bytes.Length == sizeof(float) ? ((float)value).ToString("R", CultureInfo.InvariantCulture) : value.ToString("R", CultureInfo.InvariantCulture);
        return double.IsFinite(value) ? text : $"\"{text}\"";
    }

    private static Int128 ReadInteger(ReadOnlySpan<byte> bytes, bool isSigned)
    {
        UInt128 value = 0;
        for (int i = bytes.Length - 1; i >= 0; i--)
        {
            value = (value << 8) | bytes[i];
        }

        int unused = 128 - (8 * bytes.Length);
        return isSigned ? (Int128)(value << unused) >> unused : (Int128)value;
    }

    private static JsonElement? ReadText(GgufReader reader, string key)
    {
        long start = reader.Position;
        ulong length = reader.UInt64();
        if (length > MaxKeptText)
        {
            SkipText(reader, key, length);
            return null;
        }

        reader.Rewind(start);
        return Json($"\"{JsonEncodedText.Encode(reader.Text($"the value of {key}", MaxKeptText))}\"");
    }

    private static void SkipText(GgufReader reader, string key, ulong length) => reader.Skip(
        length <= MaxTextBytes
            ? length
            : throw reader.Error($"the key {key} has a text of {length} bytes; {MaxTextBytes} are the most that it can have"));

    private static JsonElement ReadArray(GgufReader reader, string key)
    {
        uint type = RequireType(reader, key, reader.UInt32());
        if (type == ArrayType)
        {
            throw reader.Error($"the key {key} is an array of arrays");
        }

        int size = Sizes[(int)type];
        int count = reader.Count($"elements of {key}", size, MaxElements);
        if (type != StringType && count <= MaxKeptElements)
        {
            string[] elements = new string[count];
            for (int i = 0; i < count; i++)
            {
                elements[i] = ReadNumber(reader, key, type);
            }

            return Json($"[{string.Join(',', elements)}]");
        }

        for (int i = 0; type == StringType && i < count; i++)
        {
            SkipText(reader, key, reader.UInt64());
        }

        reader.Skip(type == StringType ? 0 : (ulong)count * (ulong)size);
        return Json($"\"an array of {count}\"");
    }

    private static JsonElement Json(string text)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}
