using System.Text.Json;
using NativeFfn.Comparison.Measuring;
using NativeFfn.Comparison.Subjects;

namespace NativeFfn.Comparison.Reporting;

/// <summary>All results as JSON.</summary>
internal static class ResultJson
{
    public static byte[] Write(Machine machine, IEnumerable<ShapeResult> results)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            WriteMachine(json, machine);
            json.WriteStartArray("shapes");
            foreach (ShapeResult result in results)
            {
                WriteShape(json, result);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static void WriteMachine(Utf8JsonWriter json, Machine machine)
    {
        json.WriteStartObject("machine");
        json.WriteString("processor", machine.Processor);
        json.WriteNumber("processors", machine.Processors);
        json.WriteNumber("vectorBits", machine.VectorBits);
        json.WriteString("runtime", machine.Runtime);
        json.WriteString("operatingSystem", machine.OperatingSystem);
        json.WriteEndObject();
    }

    private static void WriteShape(Utf8JsonWriter json, ShapeResult result)
    {
        json.WriteStartObject();
        json.WriteString("kind", result.Spec.Kind.Name);
        json.WriteNumber("dModel", result.Spec.DModel);
        json.WriteNumber("dFf", result.Spec.DFf);
        json.WriteNumber("threads", result.Threads);
        WriteOptional(json, "otherLoad", result.OtherLoad);
        json.WriteNumber("gflops", result.FlopsPerSecond / 1e9);
        json.WriteStartObject("gbPerSec");
        foreach ((string precision, double bytesPerSecond) in result.BytesPerSecond)
        {
            json.WriteNumber(precision, bytesPerSecond / 1e9);
        }

        json.WriteEndObject();
        json.WriteStartArray("subjects");
        foreach (SubjectDescription subject in result.Subjects)
        {
            json.WriteStartObject();
            json.WriteString("name", subject.Name);
            json.WriteBoolean("ours", subject.IsOurs);
            json.WriteString("precision", subject.Precision.Name);
            json.WriteNumber("weightBytes", subject.WeightBytes);
            json.WriteNumber("weightError", subject.QuantizationError);
            json.WriteString("version", subject.Version);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("rows");
        foreach (ResultRow row in result.Rows)
        {
            WriteRow(json, row);
        }

        json.WriteEndArray();
        if (result.Server is { } server)
        {
            ServerJson.Write(json, server);
        }

        json.WriteEndObject();
    }

    private static void WriteRow(Utf8JsonWriter json, ResultRow row)
    {
        json.WriteStartObject();
        json.WriteNumber("tokens", row.Tokens);
        json.WriteString("subject", row.Time.Subject.Name);
        json.WriteNumber("medianMs", row.Time.MedianMs);
        json.WriteNumber("minMs", row.Time.MinMs);
        json.WriteNumber("runs", row.Time.Runs);
        json.WriteBoolean("disturbed", row.Time.Disturbed);
        json.WriteNumber("relativeL2", row.Time.RelativeError);
        json.WriteNumber("rooflineMs", row.RooflineMs);
        json.WriteNumber("overRoofline", row.OverRoofline);
        if (row.Time.Subject.IsOurs)
        {
            json.WriteString("bestPeer", row.BestPeer?.Subject.Name);
            WriteOptional(json, "overBestPeer", row.OverBestPeer);
            WriteOptional(json, "overOnnx", row.OverOnnx);
            WriteOptional(json, "overOurF32", row.OverOurF32);
        }

        json.WriteEndObject();
    }

    internal static void WriteOptional(Utf8JsonWriter json, string name, double? number)
    {
        if (number is { } value)
        {
            json.WriteNumber(name, value);
        }
        else
        {
            json.WriteNull(name);
        }
    }
}
