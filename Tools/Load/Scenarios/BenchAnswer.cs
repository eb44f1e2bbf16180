using System.Text.Json;

namespace NativeFfn.Load.Scenarios;

/// <summary>Reads what <c>bench --json</c> answers.</summary>
internal static class BenchAnswer
{
    /// <summary>Median milliseconds of the first row.</summary>
    public static double MedianMs(string json)
    {
        using JsonDocument answer = JsonDocument.Parse(json);
        return answer.RootElement.GetProperty("rows")[0].GetProperty("medianMs").GetDouble();
    }
}
