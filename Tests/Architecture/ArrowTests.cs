using System.Text.RegularExpressions;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Sources;

/// <summary>
/// The arrows between folders, which only go down: Native → Bindings → Backends → Layers → Hosting → AspNetCore → Server → Cli, Samples,
/// Tools.
/// </summary>
[Category(Needs.Clone)]
public sealed partial class ArrowTests
{
    private const string Anything = "**";

    // Tests put a CUDA of their own into an engine's options.
    private const string CudaOfTests = "Backends/CuBlas/CudaSource.cs";

    // The one command that needs what is above the others.
    private const string Serve = "Cli/Commands/ServeCommand.cs";

    /// <summary>
    /// A folder or file, and the folders and files that it may use beside itself; <c>/**</c> means with all rows below it. The longest row
    /// that a path begins with is the path's. A folder that has a row of its own is closed to the one above it unless that names it.
    /// </summary>
    private static readonly (string From, string[] To)[] Allowed =
    [
        ("Bindings", []),
        ("Backends/Contracts", ["Backends/Activations"]),
        ("Backends/Simd", []),
        ("Backends/Activations", ["Backends/Simd"]),
        ("Backends/Encodings", ["Backends/Contracts", "Backends/Simd", "Bindings"]),
        ("Backends/Routing", ["Backends/Contracts"]),
        ("Backends/Storage", ["Backends/Contracts", "Bindings"]),

        // Around a backend, whichever it is; rows are finished as on a CPU.
        ("Backends/Parallel", [.. BackendTables, "Backends/Cpu", "Bindings"]),
        ("Backends/Reference", [.. BackendTables, "Backends"]),
        ("Backends/Cpu", [.. DeviceMayUse, "Backends/Cpu/Gemm/GemmList.cs", "Backends/Cpu/Gemm/Autotuning", "Backends/Cpu/Weights"]),

        // A matrix lies as panels of its own encoding, whichever GEMM reads them.
        ("Backends/Cpu/Weights", [.. DeviceMayUse, "Backends/Cpu", "Backends/Cpu/Gemm/GemmList.cs", "Backends/Cpu/Gemm/Managed"]),

        // Every way to multiply is known to the list alone.
        ("Backends/Cpu/Gemm/GemmList.cs", [.. DeviceMayUse, "Backends/Cpu/**"]),
        ("Backends/Cpu/Gemm/Managed", [.. DeviceMayUse, "Backends/Cpu", "Backends/Cpu/Weights", "Backends/Cpu/Gemm/Assembled"]),
        ("Backends/Cpu/Gemm/Assembled", [.. DeviceMayUse, "Backends/Cpu"]),
        ("Backends/Cpu/Gemm/Sgemm", [.. DeviceMayUse, "Backends/Cpu", "Backends/Cpu/Weights", "Backends/Cpu/Gemm/Managed"]),
        ("Backends/Cpu/Gemm/Autotuning", [.. DeviceMayUse, "Backends/Cpu/**"]),
        ("Backends/CuBlas", [.. DeviceMayUse, CudaOfTests]),
        (CudaOfTests, ["Bindings", "Backends/Contracts"]),

        // The one place that names backends.
        ("Backends", ["Backends/Contracts"]),
        ("Backends/BackendCatalog.cs", ["Backends/**", "Bindings"]),
        ("Layers/Checkpoints", [.. BackendTables]),
        ("Layers", [.. BackendTables, "Backends", "Backends/BackendCatalog.cs", "Layers/Checkpoints"]),
        ("Hosting", [.. Library]),
        ("AspNetCore", [.. Library, "Hosting"]),
        ("Server", [.. Library, "Hosting", "AspNetCore"]),
        ("Cli", [.. Library, "Backends/Encodings", "Backends/Reference", "Cli/Planning", Serve]),

        // What ranks would have is what they are given.
        ("Cli/Planning", [.. Library, "Backends/Encodings", "Backends/Parallel", "Cli"]),
        (Serve, [.. Library, "Cli", "Server"]),
        ("Samples", [.. Library, "Hosting", "AspNetCore"]),
        ("Tools", [Anything]),
        ("Tests", [Anything]),
        ("Tools/Bench", [Anything]),
    ];

    private static readonly Dictionary<string, Dictionary<string, string>> AreasOfTypes = FindTypes();

    private static string[] BackendTables =>
        ["Backends/Contracts", "Backends/Simd", "Backends/Activations", "Backends/Encodings", "Backends/Routing", "Backends/Storage"];

    private static string[] DeviceMayUse => [.. BackendTables, "Backends", "Bindings"];

    private static string[] Library => ["Layers", "Layers/Checkpoints", "Backends/Contracts", "Backends/Activations"];

    [Test]
    public void Every_folder_has_a_row() =>
        Assert.That(SourceFile.All.Where(static file => AreaOf(file.Path) is null).Select(static file => file.Path), Is.Empty);

    [Test]
    public void Arrows_go_down_only() => Assert.That(SourceFile.All.SelectMany(ForbiddenIn).Distinct(), Is.Empty);

    [Test]
    public void Only_backends_and_programs_that_measure_name_a_backend()
    {
        string[] above = ["Layers", "Hosting", "AspNetCore", "Cli", "Server", "Samples"];
        Assert.That(
            from file in SourceFile.All
            where above.Contains(file.Path.Split('/')[0]) && BackendName().IsMatch(file.Code)
            select file.Path,
            Is.Empty);
    }

    [Test]
    public void A_package_below_the_endpoints_names_nothing_of_aspnet_or_grpc()
    {
        string[] below = ["Bindings", "Backends", "Layers", "Hosting", "Cli"];
        Assert.That(
            from file in SourceFile.All
            where below.Contains(file.Path.Split('/')[0])
            from used in file.Usings
            where used.StartsWith("Microsoft.AspNetCore", StringComparison.Ordinal) || used.StartsWith("Grpc.", StringComparison.Ordinal)
            select $"{file.Path}: {used}",
            Is.Empty);
    }

    [Test]
    public void The_table_sees_what_it_forbids()
    {
        string[] found = [.. SourceFile.All.Where(
            static file => file.Path == "Backends/BackendCatalog.cs").SelectMany(ReferencesOf).Select(static area => area.To)];
        Assert.That(found, Does.Contain("Backends/CuBlas").And.Contain("Backends/Contracts"));
        Assert.That(MayUse("Hosting", "Backends/CuBlas"), Is.False);
        Assert.That(MayUse("Backends/BackendCatalog.cs", "Backends/CuBlas"), Is.True);
    }

    private static IEnumerable<string> ForbiddenIn(SourceFile file) =>
        from reference in ReferencesOf(file)
        let area = AreaOf(file.Path)!
        where !MayUse(area, reference.To)
        select $"{file.Path} may not use {reference.Type} of {reference.To}";

    private static bool MayUse(string from, string to) => from == to || Allowed.First(row => row.From == from).To.Any(allowed =>
        allowed == Anything || allowed == to
        || (allowed.EndsWith("/**", StringComparison.Ordinal) && (to + "/").StartsWith(allowed[..^2], StringComparison.Ordinal)));

    private static string? AreaOf(string path) => (
        from row in Allowed
        where (path + "/").StartsWith(row.From + "/", StringComparison.Ordinal)
        orderby row.From.Length descending
        select row.From).FirstOrDefault();

    // Types that are named: those of the file's own namespaces, of the ones above, and of those that it uses.
    private static IEnumerable<(string Type, string To)> ReferencesOf(SourceFile file)
    {
        string[] around = [.. Around(file.Namespace)];
        string[] visible = [.. around, .. file.Usings];
        foreach (string[] chain in file.Chains())
        {
            for (int i = 0; i < chain.Length; i++)
            {
                string middle = string.Join('.', chain[..i]);
                foreach (string start in i == 0 ? visible : around)
                {
                    string space = i == 0 ? start : start.Length == 0 ? middle : $"{start}.{middle}";
                    if (AreasOfTypes.TryGetValue(
                        space, out Dictionary<string, string>? types) && types.TryGetValue(chain[i], out string? area))
                    {
                        yield return (chain[i], area);
                    }
                }
            }
        }
    }

    private static IEnumerable<string> Around(string space)
    {
        for (; space.Length > 0; space = space[..Math.Max(0, space.LastIndexOf('.'))])
        {
            yield return space;
        }

        yield return string.Empty;
    }

    private static Dictionary<string, Dictionary<string, string>> FindTypes()
    {
        var found = new Dictionary<string, Dictionary<string, string>>(StringComparer.Ordinal);
        foreach (SourceFile file in SourceFile.All)
        {
            foreach ((string name, _) in file.Types)
            {
                if (AreaOf(file.Path) is { } area)
                {
                    found.TryAdd(file.Namespace, new Dictionary<string, string>(StringComparer.Ordinal));
                    found[file.Namespace].TryAdd(name.TrimEnd('`'), area);
                }
            }
        }

        return found;
    }

    [GeneratedRegex(@"\bBackendKind\.(?!Auto\b)\w")]
    private static partial Regex BackendName();
}
