using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using NativeFfn.Server.Explorer;
using NativeFfn.Server.Http;

namespace NativeFfn.Server.Json;

/// <summary>The server's JSON, without reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    Converters = [typeof(FiniteSingleConverter)],
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(LayerList))]
[JsonSerializable(typeof(ComputeRequest))]
[JsonSerializable(typeof(ComputeReply))]
internal sealed partial class ServerJson : JsonSerializerContext
{
    /// <summary>
    /// Sentences as they are, not with \u0027 for a quotation mark: their media type keeps browsers from taking them for a page.
    /// </summary>
    public static ServerJson Readable => field ??=
        new ServerJson(new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
}
