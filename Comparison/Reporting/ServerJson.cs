using System.Text.Json;
using NativeFfn.Comparison.Callers;

namespace NativeFfn.Comparison.Reporting;

/// <summary>A server's view as a property of its layer's JSON.</summary>
internal static class ServerJson
{
    public static void Write(Utf8JsonWriter json, ServerView server)
    {
        json.WriteStartObject("server");
        json.WriteNumber("callers", server.Callers);
        ResultJson.WriteOptional(json, "otherLoad", server.OtherLoad);
        json.WriteStartArray("rates");
        foreach (CallerRate rate in server.Rates)
        {
            json.WriteStartObject();
            json.WriteNumber("tokens", rate.Tokens);
            json.WriteString("subject", rate.Subject.Name);
            json.WriteNumber("manyTokensPerSec", rate.ManyPerSecond);
            json.WriteNumber("oneTokensPerSec", rate.OnePerSecond);
            json.WriteNumber("manyOverOne", rate.ManyOverOne);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("rests");
        foreach (RestRow rest in server.Rests)
        {
            json.WriteStartObject();
            json.WriteString("subject", rest.Subject.Name);
            json.WriteNumber("idleMs", rest.IdleMs);
            json.WriteNumber("allocatedBytesPerCall", rest.AllocatedBytesPerCall);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
