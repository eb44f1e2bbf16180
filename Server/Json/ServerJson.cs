using System.Text.Json.Serialization;
using NativeFfn.Server.Explorer;

namespace NativeFfn.Server.Json;

/// <summary>The explorer's JSON, without reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    Converters = [typeof(FiniteSingleConverter), typeof(GivenRowsConverter)],
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(ComputeRequest))]
[JsonSerializable(typeof(ComputeReply))]
internal sealed partial class ServerJson : JsonSerializerContext;
