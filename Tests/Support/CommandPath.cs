namespace NativeFfn.Tests.Support;

/// <summary>The programs that this machine's PATH finds.</summary>
internal static class CommandPath
{
    /// <summary>Whether there is a program of a name.</summary>
    public static bool Has(string program) => (Environment.GetEnvironmentVariable("PATH") ?? string.Empty)
        .Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program)));
}
