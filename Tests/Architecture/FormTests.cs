using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Sources;

/// <summary>The form of the sources that no analyzer holds: short files, short lines, one meaning a name.</summary>
[Category(Needs.Clone)]
public sealed class FormTests
{
    private const int MostLines = 400;
    private const int MostColumns = 140;

    // What was there before these tests. Lists to shorten, never to lengthen.
    private static readonly string[] LongFiles =
        ["Tests/Abi/CudaDriverTests.cs", "Tests/SoftwareDevice/KernelTests.cs", "Tests/Support/ScriptedDriver.cs"];

    // Begin so. Those of Fuzzing and OptionsTests are whole documents and messages, one a line.
    private static readonly string[] WidePaths =
    [
        "Backends/", "Bindings/", "Cli/", "Layers/", "Tools/Bench/",
        "Tests/Abi/", "Tests/Api/", "Tests/Bindings/", "Tests/Checkpoints/", "Tests/Cli/", "Tests/CuBlas/",
        "Tests/Golden/", "Tests/Kernels/", "Tests/Loading/", "Tests/Mixtures/", "Tests/Packaging/", "Tests/Panels/", "Tests/Parity/",
        "Tests/Properties/", "Tests/Samples/", "Tests/SoftwareDevice/", "Tests/Support/", "Tests/Threading/",
        "Tests/Hosting/OptionsTests.cs", "Tools/Fuzzing/SeedCorpus.cs",
    ];

    // The entry points of programs, each of its own; and twins that two areas have.
    private static readonly string[] Twins =
    [
        "Program", "KernelTests", "MemoryTests", "MixtureForward", "MixtureScratch", "MixtureWeights", "NativeCall",
        "RandomRows", "ServerJson",
    ];

    [Test]
    public void No_file_is_long() => Assert.That(
        SourceFile.All.Where(static file => file.Lines.Length > MostLines && !LongFiles.Contains(file.Path)).Select(
            static file => $"{file.Path}: {file.Lines.Length} lines"),
        Is.Empty);

    [Test]
    public void No_line_is_wide() => Assert.That(
        from file in SourceFile.All
        where !WidePaths.Any(path => file.Path.StartsWith(path, StringComparison.Ordinal))
        from line in file.Lines.Index()
        where line.Item.Length > MostColumns
        select $"{file.Path}({line.Index + 1}): {line.Item.Length} columns",
        Is.Empty);

    [Test]
    public void No_type_name_is_declared_twice() => Assert.That(
        from declared in SourceFile.All.SelectMany(static file => file.Types.Select(type => (type.Name, type.IsPartial, file.Path)))
        where !Twins.Contains(declared.Name)
        group declared by declared.Name into same
        where same.Count() > 1 && !same.All(static one => one.IsPartial)
        select $"{same.Key}: {string.Join(", ", same.Select(static one => one.Path))}",
        Is.Empty);
}
