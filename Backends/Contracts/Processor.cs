namespace NativeFfn.Backends;

/// <summary>The processor's name, as the system gives it.</summary>
internal static class Processor
{
    // Where Linux describes processors; the name is among the first lines.
    private const string Description = "/proc/cpuinfo";
    private const int LinesToRead = 64;

    public static string Name { get; } = Read();

    private static string Read()
    {
        try
        {
            string? line = File.Exists(Description)
                ? File.ReadLines(Description).Take(LinesToRead).FirstOrDefault(static line => line.StartsWith("model name", StringComparison.Ordinal))
                : null;
            return line?[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim()
                ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER")
                ?? "unknown processor";
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return "unknown processor";
        }
    }
}
