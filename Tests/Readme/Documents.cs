using System.Text.RegularExpressions;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Readme;

/// <summary>The repository's documents.</summary>
internal static partial class Documents
{
    private static readonly string[] NotOurs = ["artifacts", "node_modules", "bin", "obj"];

    /// <summary>Every Markdown file, by its path from the root.</summary>
    public static IEnumerable<string> All() => Find(new DirectoryInfo(Repository.Root))
        .Select(static file => Path.GetRelativePath(Repository.Root, file.FullName).Replace('\\', '/')).Order(StringComparer.Ordinal);

    /// <summary>A document's text.</summary>
    public static string Read(string path) => File.ReadAllText(InRoot(path));

    /// <summary>The place of a path from the root.</summary>
    public static string InRoot(string path) => Path.GetFullPath(Path.Combine(Repository.Root, path));

    /// <summary>The targets of a document's links and images that lie in the repository.</summary>
    public static IEnumerable<string> RelativeLinks(string text) => Links().Matches(WithoutCode(text))
        .Select(static link => link.Groups[1].Value).Where(static target => !target.Contains("://", StringComparison.Ordinal));

    /// <summary>The anchors of a document's headings, as GitHub makes them: lower case, punctuation gone, a hyphen for a space.</summary>
    public static IEnumerable<string> Anchors(string text) => Headings().Matches(WithoutCode(text))
        .Select(static heading => NoAnchor().Replace(heading.Groups[1].Value.Trim().ToLowerInvariant(), string.Empty).Replace(' ', '-'));

    private static string WithoutCode(string text) => Fences().Replace(text, string.Empty);

    private static IEnumerable<FileInfo> Find(DirectoryInfo folder) =>
        folder.EnumerateFiles("*.md").Concat(folder.EnumerateDirectories()
            .Where(static child => child.Name[0] != '.' && !NotOurs.Contains(child.Name)).SelectMany(Find));

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Links();

    [GeneratedRegex("^#+ (.*)$", RegexOptions.Multiline)]
    private static partial Regex Headings();

    [GeneratedRegex("^```.*?^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fences();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NoAnchor();
}
