using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using NativeFfn.Checkpoints.Families;
using NativeFfn.Cli.Benchmarking;
using NativeFfn.Cli.Files;
using NativeFfn.Cli.Info;
using NativeFfn.Cli.Layers;
using NativeFfn.Cli.Planning;
using NativeFfn.Cli.Verification;

namespace NativeFfn.Cli;

/// <summary>How the command's answers become JSON, without reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(InfoReport))]
[JsonSerializable(typeof(VerifyReport))]
[JsonSerializable(typeof(BenchReport))]
[JsonSerializable(typeof(LayersReport))]
[JsonSerializable(typeof(PlanReport))]
[JsonSerializable(typeof(LlamaConfig))]
[JsonSerializable(typeof(FamilyReport))]
[JsonSerializable(typeof(JsonObject))]
internal sealed partial class CliJson : JsonSerializerContext
{
    // Paths and sentences as they are, not as \u0027: nothing here is put into a web page.
    private static readonly JsonWriterOptions Readable = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Indented JSON without a line break at the end.</summary>
    /// <param name="value">The answer.</param>
    /// <param name="type">How its fields are called.</param>
    public static string Write<T>(T value, JsonTypeInfo<T> type)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes, Readable))
        {
            JsonSerializer.Serialize(json, value, type);
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }
}
