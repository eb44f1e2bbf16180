using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using NativeFfn.AspNetCore.Http;

namespace NativeFfn.AspNetCore.Json;

/// <summary>The endpoints' JSON beside rows, without reflection and whatever the application's own settings are.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(LayerList))]
internal sealed partial class EndpointJson : JsonSerializerContext
{
    /// <summary>
    /// Sentences as they are, not with \u0027 for a quotation mark: their media type keeps browsers from taking them for a page.
    /// </summary>
    public static EndpointJson Readable => field ??=
        new EndpointJson(new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
}
