using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using NativeFfn.Cli.Benchmarking;
using NativeFfn.Cli.Files;
using NativeFfn.Cli.Info;
using NativeFfn.Cli.Verification;

namespace NativeFfn.Cli;

/// <summary>How the command's answers become JSON, without reflection.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(InfoReport))]
[JsonSerializable(typeof(VerifyReport))]
[JsonSerializable(typeof(ImmutableArray<BenchRow>))]
[JsonSerializable(typeof(LlamaConfig))]
internal sealed partial class CliJson : JsonSerializerContext
{
    // Paths and sentences as they are, not as \u0027: nothing here is put into a web page.
    private static CliJson Readable => field ??=
        new CliJson(new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    /// <summary>Indented JSON without a line break at the end.</summary>
    public static string Write<T>(T value, JsonTypeInfo<T> type) =>
        JsonSerializer.Serialize(value, (JsonTypeInfo<T>)Readable.GetTypeInfo(type.Type)!);
}
