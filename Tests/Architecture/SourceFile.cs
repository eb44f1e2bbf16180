using System.Text.RegularExpressions;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Sources;

/// <summary>A C# file of the clone, read as text: enough to see which types it declares and which it names.</summary>
internal sealed partial class SourceFile
{
    // Built or fetched, or another clone's.
    private static readonly string[] Skipped = ["artifacts", "bin", "obj", "TestResults", "BenchmarkDotNet.Artifacts"];

    private SourceFile(string path)
    {
        Path = System.IO.Path.GetRelativePath(Repository.Root, path).Replace('\\', '/');
        Lines = File.ReadAllLines(path);
        Code = Silent().Replace(string.Join('\n', Lines), " ");
        Namespace = NamespaceLine().Match(Code) is { Success: true } found ? found.Groups[1].Value : string.Empty;
        Usings = [.. UsingLine().Matches(Code).Select(static match => match.Groups[1].Value)];
        Types = [.. TypeLine().Matches(Code).Where(static match => !match.Groups["file"].Success).Select(static match => (
            match.Groups["name"].Value + (match.Groups["generic"].Success ? "`" : string.Empty), match.Groups["partial"].Success))];
    }

    /// <summary>Every file, in the order of paths.</summary>
    public static IReadOnlyList<SourceFile> All { get; } =
        [.. Under(Repository.Root).Select(static path => new SourceFile(path)).OrderBy(static file => file.Path, StringComparer.Ordinal)];

    /// <summary>From the root of the clone, with slashes.</summary>
    public string Path { get; }

    public string[] Lines { get; }

    /// <summary>The text without comments and strings.</summary>
    public string Code { get; }

    public string Namespace { get; }

    public string[] Usings { get; }

    /// <summary>Types that stand in no other type and that other files can see; a generic one's name ends with a backtick.</summary>
    public (string Name, bool IsPartial)[] Types { get; }

    /// <summary>Names with dots between them, as they stand in the code: of types, members and anything else.</summary>
    public IEnumerable<string[]> Chains() =>
        Chain().Matches(Code).Select(static match => match.Value.Split('.')).DistinctBy(static chain => string.Join('.', chain));

    private static IEnumerable<string> Under(string folder) =>
        Directory.EnumerateFiles(folder, "*.cs").Concat(
            from inner in Directory.EnumerateDirectories(folder)
            let name = System.IO.Path.GetFileName(inner)
            where name[0] != '.' && !Skipped.Contains(name)
            from file in Under(inner)
            select file);

    [GeneratedRegex("""
        ""\"[\s\S]*?""\"|@"(?:[^"]|"")*"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])'|//[^\n]*|/\*[\s\S]*?\*/
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Silent();

    [GeneratedRegex(@"^namespace ([\w.]+)", RegexOptions.Multiline)]
    private static partial Regex NamespaceLine();

    [GeneratedRegex(@"^(?:global )?using (?:static )?(?:\w+ = )?(?:\w+::)?([\w.]+)", RegexOptions.Multiline)]
    private static partial Regex UsingLine();

    [GeneratedRegex(
        @"^(?:(?<file>file)\s|(?<partial>partial)\s|(?:public|internal|sealed|static|abstract|readonly|unsafe|ref)\s)*" +
        @"(?:class|struct|interface|enum|record(?: struct| class)?|delegate [^(]+?)\s(?<name>\w+)(?<generic><)?",
        RegexOptions.Multiline)]
    private static partial Regex TypeLine();

    [GeneratedRegex(@"(?<![\w.])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")]
    private static partial Regex Chain();
}
