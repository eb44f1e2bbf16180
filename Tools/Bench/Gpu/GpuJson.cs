using System.Text.Json;
using System.Text.Json.Serialization;

namespace NativeFfn.Bench.Gpu;

/// <summary>Reports as JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(GpuReport))]
internal sealed partial class GpuJson : JsonSerializerContext
{
    /// <summary>Reads a report.</summary>
    /// <exception cref="IOException">There is none in the file.</exception>
    public static GpuReport Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), Default.GpuReport) ?? throw new InvalidDataException($"'{path}' has no report.");
        }
        catch (JsonException wrong)
        {
            throw new InvalidDataException($"'{path}' is no report: {wrong.Message}", wrong);
        }
    }
}
