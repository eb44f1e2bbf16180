using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace NativeFfn.Checkpoints;

/// <summary>Parses the JSON files of a checkpoint, whose text is not trusted.</summary>
internal static class CheckpointJson
{
    // A line of a generated file may be the whole file; a message shows the part around the fault.
    private const int ShownBytes = 60;

    /// <summary>Parses a file that holds one object without repeated keys.</summary>
    public static JsonDocument ParseObject(string path, int limit, string what)
    {
        byte[] json = CheckpointFile.ReadAll(path, limit, what);
        if (!Utf8.IsValid(json))
        {
            throw new CheckpointException($"{path}: is not valid UTF-8. Correct it or get the file again.");
        }

        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException problem)
        {
            throw new CheckpointException($"{path}: is not valid JSON: {Describe(json, problem)}. Correct it or get the file again.", problem);
        }
        catch (InvalidOperationException problem)
        {
            // An escape such as \uD800 that is no character, met while keys were compared.
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
