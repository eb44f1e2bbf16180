using System.Text.Json;
using System.Text.Json.Serialization;
using NativeFfn.AspNetCore.Json;
using NativeFfn.Server.Configuration;

namespace NativeFfn.Server.Json;

/// <summary>Rows of numbers, at most as many as any trace may have, so that a body of empty rows makes no object for each.</summary>
internal sealed class GivenRowsConverter : JsonConverter<float[]?[]>
{
    public override float[]?[] Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        Require(reader.TokenType == JsonTokenType.StartArray);
        var rows = new List<float[]?>();
        var row = new List<float>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            Require(rows.Count < ExplorerOptions.MostTokens);
            if (reader.TokenType == JsonTokenType.Null)
            {
                rows.Add(null);
                continue;
            }

            Require(reader.TokenType == JsonTokenType.StartArray);
            row.Clear();
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                Require(JsonRows.TryReadNumber(ref reader, out float value));
                row.Add(value);
            }

            rows.Add([.. row]);
        }

        return [.. rows];
    }

    public override void Write(Utf8JsonWriter writer, float[]?[] value, JsonSerializerOptions options) =>
        throw new NotSupportedException("Rows are read and not written.");

    // The reader's place goes into the message by itself.
    private static void Require(bool isSo)
    {
        if (!isSo)
        {
            throw new JsonException();
        }
    }
}
