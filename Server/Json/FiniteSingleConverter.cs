using System.Text.Json;
using System.Text.Json.Serialization;
using NativeFfn.AspNetCore.Json;

namespace NativeFfn.Server.Json;

/// <summary>float32 as <see cref="JsonRows"/> has it: no number becomes infinite, and what is not finite is a string.</summary>
internal sealed class FiniteSingleConverter : JsonConverter<float>
{
    public override float Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        JsonRows.TryReadNumber(ref reader, out float value) ? value : throw new JsonException();

    public override void Write(Utf8JsonWriter writer, float value, JsonSerializerOptions options) => JsonRows.WriteNumber(writer, value);
}
