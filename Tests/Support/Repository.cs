using System.Runtime.CompilerServices;

namespace NativeFfn.Tests.Support;

/// <summary>The clone that these tests were compiled in.</summary>
internal static class Repository
{
    /// <summary>Its root.</summary>
    public static string Root { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(SourceFile())!, "..", ".."));

    private static string SourceFile([CallerFilePath] string path = "") => path;
}
