using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace NativeFfn.Checkpoints;

/// <summary>Parses the JSON files of a checkpoint, whose text is not trusted.</summary>
internal static class CheckpointJson
{
    // A line of a generated file may be the whole file; a message shows the part around the fault.
    private const int ShownBytes = 60;

    private static readonly string[] NonFinite = ["NaN", "Infinity", "-Infinity"];

    private static ReadOnlySpan<byte> ByteOrderMark => "\uFEFF"u8;

    /// <summary>Parses a file that holds one object. The numbers that JSON lacks and Python writes, NaN and infinities, become strings.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limit">The most bytes that are read.</param>
    /// <param name="what">What such a file is, for messages.</param>
    /// <param name="mayRepeat">Whether a key may stand twice in an object; else that is refused.</param>
    public static JsonDocument ParseObject(string path, int limit, string what, bool mayRepeat = false)
    {
        byte[] json = CheckpointFile.ReadAll(path, limit, what);
        WrongDownload.Require(path, json.AsSpan(0, Math.Min(json.Length, WrongDownload.StartBytes)));
        json = json.AsSpan().StartsWith(ByteOrderMark) ? json[ByteOrderMark.Length..] : json;
        if (!Utf8.IsValid(json))
        {
            throw new CheckpointException($"{path}: is not valid UTF-8. Correct it or get the file again.");
        }

        json = QuoteNonFinite(json);
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = mayRepeat });
            RequireTextKeys(document.RootElement);
        }
        catch (JsonException problem)
        {
            throw new CheckpointException($"{path}: is not valid JSON: {Describe(json, problem)}. Correct it or get the file again.", problem);
        }
        catch (InvalidOperationException problem)
        {
            throw new CheckpointException($"{path}: has a key that is no valid text. Correct it or get the file again.", problem);
        }

        if (document.RootElement.ValueKind == JsonValueKind.Object)
        {
            return document;
        }

        string kind = document.RootElement.ValueKind.ToString();
        document.Dispose();
        throw new CheckpointException($"{path}: holds a JSON {kind}; {what} is an object.");
    }

    /// <summary>
    /// Requires that every key is text, however deep it stands: whoever looks for a key compares it with those beside it.
    /// </summary>
    /// <param name="value">The value whose keys are meant.</param>
    /// <exception cref="InvalidOperationException">A key has an escape that is no character, as <c>\uD800</c> alone is none.</exception>
    public static void RequireTextKeys(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty property in value.EnumerateObject())
            {
                _ = property.Name;
                RequireTextKeys(property.Value);
            }
        }
        else if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in value.EnumerateArray())
            {
                RequireTextKeys(item);
            }
        }
    }

    /// <summary>A string value's text; the file may hold escapes that are no text.</summary>
    public static string Text(string path, string key, JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String
                ? value.GetString()!
                : throw new CheckpointException($"{path}: {CheckpointText.Quote(key)} is {Raw(value)}; it must be a string.");
        }
        catch (InvalidOperationException problem)
        {
            throw new CheckpointException($"{path}: {CheckpointText.Quote(key)} is a string that is no valid text.", problem);
        }
    }

    /// <summary>A value as the file spells it, for messages.</summary>
    public static string Raw(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        _ => CheckpointText.Quote(value.GetRawText()),
    };

    // Where a value may stand, outside of strings; as a key, which is followed by a colon, they are as wrong as they were.
    private static byte[] QuoteNonFinite(byte[] json)
    {
        if (json.AsSpan().IndexOf("NaN"u8) < 0 && json.AsSpan().IndexOf("Infinity"u8) < 0)
        {
            return json;
        }

        var quoted = new MemoryStream(json.Length + NonFinite.Length);
        byte before = 0;
        for (int i = 0; i < json.Length;)
        {
            ReadOnlySpan<byte> rest = json.AsSpan(i);
            int length = rest[0] == (byte)'"' ? StringLength(rest)
                : before is (byte)':' or (byte)',' or (byte)'[' ? NonFiniteLength(rest)
                : 0;
            bool isNumber = length > 0 && rest[0] != (byte)'"';
            if (isNumber)
            {
                quoted.WriteByte((byte)'"');
            }

            before = rest[0] is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n' ? before : rest[0];
            quoted.Write(rest[..Math.Max(1, length)]);
            i += Math.Max(1, length);
            if (isNumber)
            {
                quoted.WriteByte((byte)'"');
            }
        }

        return quoted.ToArray();
    }

    private static int NonFiniteLength(ReadOnlySpan<byte> rest)
    {
        foreach (string number in NonFinite)
        {
            if (rest.StartsWith(Encoding.ASCII.GetBytes(number)))
            {
                ReadOnlySpan<byte> after = rest[number.Length..].TrimStart(" \t\r\n"u8);
                return after.IsEmpty || after[0] is (byte)',' or (byte)'}' or (byte)']' ? number.Length : 0;
            }
        }

        return 0;
    }

    // With its quotes; to the end of the text where it has no end.
    private static int StringLength(ReadOnlySpan<byte> rest)
    {
        for (int i = 1; i < rest.Length; i++)
        {
            if (rest[i] == (byte)'"')
            {
                return i + 1;
            }

            i += rest[i] == (byte)'\\' ? 1 : 0;
        }

        return rest.Length;
    }

    private static string Describe(byte[] json, JsonException problem)
    {
        if (problem.LineNumber is not { } line || problem.BytePositionInLine is not { } column)
        {
            return problem.Message.ReplaceLineEndings(" ").TrimEnd('.');
        }

        ReadOnlySpan<byte> text = json;
        for (long i = 0; i < line; i++)
        {
            text = text[(text.IndexOf((byte)'\n') + 1)..];
        }

        int end = text.IndexOf((byte)'\n');
        text = end < 0 ? text : text[..end];
        int start = (int)Math.Max(0, Math.Min(column, text.Length) - ShownBytes);
        string shown = Encoding.UTF8.GetString(text.Slice(start, Math.Min(text.Length - start, 2 * ShownBytes))).Trim();
        return $"line {line + 1}, byte {column + 1}: {CheckpointText.Quote(shown)}";
    }
}
