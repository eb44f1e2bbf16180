using System.Buffers;
using System.Text.Json;
using NativeFfn.AspNetCore.Http;

namespace NativeFfn.AspNetCore.Json;

/// <summary>Rows as JSON: <c>{"rows": [[0.5, -1, "NaN"], …]}</c>, read and written without an object for each number.</summary>
internal static class JsonRows
{
    // Text is handed on whenever so much of it is there.
    private const int FlushBytes = 16 * 1024;

    /// <summary>Reads a body.</summary>
    /// <param name="text">UTF-8.</param>
    /// <param name="width">Elements of a row.</param>
    /// <param name="rows">Receives them.</param>
    /// <exception cref="RequestException">It is no such JSON, or a row has another width.</exception>
    public static void Read(ReadOnlySpan<byte> text, int width, RowBuffer rows)
    {
        var reader = new Utf8JsonReader(JsonText.Utf8(text));
        try
        {
            Require(ref reader, JsonTokenType.StartObject, "an object");
            Require(ref reader, JsonTokenType.PropertyName, "\"rows\"");
            if (!reader.ValueTextEquals("rows"u8))
            {
                throw Bad($"The object has '{reader.GetString()}', but takes \"rows\" and nothing else.");
            }

            Require(ref reader, JsonTokenType.StartArray, "an array of rows");
            for (int row = 0; Next(ref reader) != JsonTokenType.EndArray; row++)
            {
                ReadRow(ref reader, row, width, rows);
            }

            Require(ref reader, JsonTokenType.EndObject, "the end of the object");
            reader.Read();
        }
        catch (JsonException bad)
        {
            throw Bad($"The JSON ends or breaks at line {bad.LineNumber + 1}, byte {bad.BytePositionInLine + 1}.");
        }
        catch (InvalidOperationException)
        {
            // What the reader throws for a string that it cannot decode.
            throw Bad(JsonText.NoUnicode);
        }
    }

    /// <summary>Writes an answer.</summary>
    /// <param name="destination">Receives UTF-8.</param>
    /// <param name="rows">Row-major.</param>
    /// <param name="width">Elements of a row.</param>
    public static void Write(IBufferWriter<byte> destination, ReadOnlySpan<float> rows, int width)
    {
        using var writer = new Utf8JsonWriter(destination, new JsonWriterOptions { SkipValidation = true });
        writer.WriteStartObject();
        writer.WriteStartArray("rows"u8);
        for (int first = 0; first < rows.Length; first += width)
        {
            writer.WriteStartArray();
            foreach (float value in rows.Slice(first, width))
            {
                WriteNumber(writer, value);
                if (writer.BytesPending > FlushBytes)
                {
                    writer.Flush();
                }
            }

            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.Flush();
    }

    /// <summary>Writes a number, or the string that stands for one that is not finite.</summary>
    public static void WriteNumber(Utf8JsonWriter writer, float value)
    {
        if (float.IsFinite(value))
        {
            writer.WriteNumberValue(value);
        }
        else
        {
            writer.WriteStringValue(float.IsNaN(value) ? "NaN"u8 : value > 0 ? "Infinity"u8 : "-Infinity"u8);
        }
    }

    /// <summary>Reads a number, or a string that stands for one that is not finite.</summary>
    public static bool TryReadNumber(ref Utf8JsonReader reader, out float value)
    {
        value = 0;
        if (reader.TokenType == JsonTokenType.Number)
        {
            return reader.TryGetSingle(out value) && float.IsFinite(value);
        }

        if (reader.TokenType == JsonTokenType.String)
        {
            value = reader.ValueTextEquals("NaN"u8) ? float.NaN
                : reader.ValueTextEquals("Infinity"u8) ? float.PositiveInfinity
                : reader.ValueTextEquals("-Infinity"u8) ? float.NegativeInfinity : 0;
            return value != 0;
        }

        return false;
    }

    private static void ReadRow(ref Utf8JsonReader reader, int row, int width, RowBuffer rows)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw Bad($"Row {row} is {Named(reader.TokenType)}, but must be an array of {width} numbers.");
        }

        int column = 0;
        for (; Next(ref reader) != JsonTokenType.EndArray; column++)
        {
            if (column == width)
            {
                throw new RequestException(ProblemKind.BadRows, $"Row {row} has more than {width} elements, the width of the layer.");
            }

            rows.Append(ReadNumber(ref reader, row, column));
        }

        if (column < width)
        {
            throw new RequestException(ProblemKind.BadRows, $"Row {row} has {column} elements; the layer takes {width}.");
        }
    }

    private static float ReadNumber(ref Utf8JsonReader reader, int row, int column) => TryReadNumber(ref reader, out float value)
        ? value
        : throw Bad(
            $"Element {column} of row {row} is {Named(reader.TokenType)} that is no float32; use numbers, \"NaN\", \"Infinity\" or " +
            "\"-Infinity\".");

    private static JsonTokenType Next(ref Utf8JsonReader reader)
    {
        reader.Read();
        return reader.TokenType;
    }

    private static void Require(ref Utf8JsonReader reader, JsonTokenType expected, string what)
    {
        if (Next(ref reader) != expected)
        {
            throw Bad($"There is {Named(reader.TokenType)} where {what} should be; the body is {{\"rows\": [[...], ...]}}.");
        }
    }

    private static string Named(JsonTokenType type) => type switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "a number",
        JsonTokenType.True or JsonTokenType.False => "a truth value",
        JsonTokenType.Null => "null",
        JsonTokenType.PropertyName => "a property",
        _ => "an end",
    };

    private static RequestException Bad(string detail) => new(ProblemKind.BadRequest, detail);
}
