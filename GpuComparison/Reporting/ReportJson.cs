using System.Text.Json;
using System.Text.Json.Serialization;

namespace NativeFfn.GpuComparison.Reporting;

/// <summary>Reports as JSON.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(GpuReport))]
internal sealed partial class ReportJson : JsonSerializerContext
{
    public static byte[] Write(GpuReport report) => JsonSerializer.SerializeToUtf8Bytes(report, Default.GpuReport);

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
