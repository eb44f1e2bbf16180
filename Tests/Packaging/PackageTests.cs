using NativeFfn.Tests.Samples;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Packaging;

/// <summary>What is in the packages, and that a project elsewhere can use them.</summary>
/// <remarks>These are the packages in the folder NATIVEFFN_PACKAGES, or else packed here from what was built.</remarks>
public sealed class PackageTests
{
    // Packages of build/pack.sh, whose symbols are the same on every machine.
    private static readonly string? Given = Environment.GetEnvironmentVariable("NATIVEFFN_PACKAGES");

    // A build in a test must not leave workers behind, nor take the settings of the build that runs the tests.
    private static readonly Dictionary<string, string?> Quiet = new()
    {
        ["MSBUILDDISABLENODEREUSE"] = "1", ["MSBuildSDKsPath"] = null, ["MSBuildExtensionsPath"] = null, ["MSBUILD_EXE_PATH"] = null,
    };

    private const string Mkl = "NativeFfn.Native.Mkl.linux-x64";

    private static readonly string[] Assemblies = ["NativeFfn", "NativeFfn.Backends", "NativeFfn.Bindings"];

    // What the library depends on; dotnet pack lists it for packages above as well.
    private static readonly string[] OfLibrary = ["CommunityToolkit.HighPerformance", "Iced", "System.Numerics.Tensors"];

    private DirectoryInfo _work = null!;
    private string _packages = null!;
    private Package _library = null!;
    private Package _hosting = null!;
    private Package _endpoints = null!;
    private Package _command = null!;

    [OneTimeSetUp]
    public void Pack()
    {
        _work = Directory.CreateTempSubdirectory("nativeffn-packages-");
        _packages = Given ?? Path.Combine(_work.FullName, "packages");
        if (Given is null)
        {
            string configuration = Path.GetFileName(AppContext.BaseDirectory.TrimEnd('/'));
            foreach (string project in new[] { "Layers", "Hosting", "AspNetCore", "Cli" })
            {
                DotnetProcess.Done(Repository.Root, Quiet, "pack", project, "--no-build", "-c", configuration, "-o", _packages);
            }
        }

        _library = Open("NativeFfn", ".nupkg");
        _hosting = Open("NativeFfn.Hosting", ".nupkg");
        _endpoints = Open("NativeFfn.AspNetCore", ".nupkg");
        _command = Open("NativeFfn.Cli", ".nupkg");
    }

    [OneTimeTearDown]
    public void Delete()
    {
        _library.Dispose();
        _hosting.Dispose();
        _endpoints.Dispose();
        _command.Dispose();
        _work.Delete(recursive: true);
    }

    [Test]
    public void The_library_is_one_package_with_all_its_assemblies()
    {
        string[] assemblies = [.. Assemblies.SelectMany(static name => new[] { $"lib/net10.0/{name}.dll", $"lib/net10.0/{name}.xml" })];
        Assert.That(_library.Files, Is.EquivalentTo(
            (string[])["LICENSE", "README.md", "icon.png", "THIRD-PARTY-NOTICES.md", "buildTransitive/NativeFfn.targets", .. assemblies]));
        Assert.That(_library.Dependencies.Select(static dependency => dependency.Id), Is.EquivalentTo(OfLibrary));
    }

    [Test]
    public void The_endpoints_bring_what_clients_and_applications_need()
    {
        Assert.That(_endpoints.Files, Is.EquivalentTo(new[]
        {
            "LICENSE", "README.md", "icon.png", "buildTransitive/NativeFfn.AspNetCore.targets", "protos/nativeffn/v1/ffn.proto",
            "lib/net10.0/NativeFfn.AspNetCore.dll", "lib/net10.0/NativeFfn.AspNetCore.xml",
        }));
        Assert.That(_endpoints.Text("buildTransitive/NativeFfn.AspNetCore.targets"), Does.Contain("UseStrictValidation"));
        Assert.That(_endpoints.Dependencies.Select(static dependency => dependency.Id), Is.EquivalentTo((string[])
        [
            "NativeFfn.Hosting", "Google.Protobuf", "Grpc.AspNetCore.HealthChecks", "Grpc.AspNetCore.Server",
            "Grpc.Reflection", "Microsoft.AspNetCore.OpenApi", .. OfLibrary,
        ]));
    }

    [Test]
    public void Heavy_dependencies_stay_out_of_the_package_for_any_host() => Assert.That(
        _hosting.Dependencies.Select(static dependency => dependency.Id),
        Has.All.StartsWith("Microsoft.Extensions.").Or.AnyOf(["NativeFfn", .. OfLibrary]));

    [Test]
    public void A_readme_lists_the_packages_beside_its_own() => Assert.Multiple(() =>
    {
        string ofMkl = File.ReadAllText(Path.Combine(Repository.Root, "Native", "mkl", "package", "README.md"));
        foreach (string text in (string[])[.. ((Package[])[_library, _hosting, _endpoints, _command]).Select(Readme), ofMkl])
        {
            foreach (string name in (string[])["NativeFfn", "NativeFfn.Hosting", "NativeFfn.AspNetCore", "NativeFfn.Cli", Mkl])
            {
                Assert.That(text, Does.Contain($"| `{name}` |"));
            }

            Assert.That(text.Split("| this one |"), Has.Length.EqualTo(2));
        }
    });

    [Test]
    public void The_command_is_a_tool_with_all_it_needs()
    {
        Assert.That(_command.Text("tools/net10.0/any/DotnetToolSettings.xml"), Does.Contain("Name=\"nativeffn\"").And.Contain("EntryPoint=\"NativeFfn.Cli.dll\""));
        string[] needed = [.. Assemblies, "NativeFfn.Server", "NativeFfn.Cli", "CommunityToolkit.HighPerformance", "Iced", "Spectre.Console", "System.CommandLine"];
        Assert.That(_command.Files, Is.SupersetOf(needed.Select(static name => $"tools/net10.0/any/{name}.dll")));
        Assert.That(_command.Files, Is.SupersetOf(new[] { "tools/net10.0/any/appsettings.json", "tools/net10.0/any/wwwroot/index.html" }));
        Assert.That(_command.Files, Has.None.EndsWith("/nativeffn"), "a tool is started by a program of the SDK's");
        Assert.That(_command.Dependencies, Is.Empty);
    }

    [Test]
    public void Every_package_says_what_it_is() => Assert.Multiple(() =>
    {
        foreach (Package package in (Package[])[_library, _hosting, _endpoints, _command])
        {
            Assert.That(package.Metadata("license"), Is.EqualTo("MIT"));
            Assert.That(package.Metadata("readme"), Is.EqualTo("README.md"));
            Assert.That(package.Metadata("icon"), Is.EqualTo("icon.png"));
            Assert.That(package.Files, Does.Contain("icon.png"));
            Assert.That(package.Metadata("description"), Is.Not.Empty.And.Not.EqualTo("Package Description"));
            Assert.That(package.Metadata("tags"), Is.Not.Empty);
            Assert.That(package.Version, Is.EqualTo(_library.Version));
            Assert.That(Readme(package), Does.StartWith("# "));
        }
    });

    [Test]
    public void Symbols_are_those_of_the_assemblies()
    {
        using Package symbols = Open("NativeFfn", ".snupkg");
        foreach (string assembly in Assemblies)
        {
            (Guid id, var sources, string? link) = symbols.ReadSymbols($"lib/net10.0/{assembly}.pdb");
            Assert.That(id, Is.EqualTo(_library.SymbolsOf($"lib/net10.0/{assembly}.dll")), assembly);
            Assert.That(sources, Is.Not.Empty);
            if (Given is not null)
            {
                Assert.That(sources, Has.All.StartsWith("/_/"), assembly);
                Assert.That(link?.Contains("\"/_/*\"", StringComparison.Ordinal), Is.EqualTo(_library.HasRepository ? true : null), link);
            }
        }
    }

    [Test]
    public void A_fresh_project_runs_a_layer_from_the_package_alone()
    {
        string project = FreshProject();
        DotnetProcess.Done(project, Quiet, "build", "-c", "Release", "-o", "out", "-p:UseSharedCompilation=false");
        FirstLayer.AssertPrinted(DotnetProcess.Done(project, Quiet, "out/Fresh.dll", FirstLayer.Checkpoint.Directory));
        (_, string output, _) = DotnetProcess.Run(
            project, Quiet, "msbuild", "-t:NativeFfnInstructionSet", "-p:PublishAot=true", "-p:RuntimeIdentifier=linux-x64");
        Assert.That(output, Does.Contain("warning NATIVEFFN001"), "compiled ahead of time for any processor");
    }

    [Test]
    [Category("Mkl")]
    public void Mkl_comes_from_its_package_alone()
    {
        string folder = Path.GetDirectoryName(Path.GetDirectoryName(MklUnderTest.Load().Path))!;
        if (Given is null && !File.Exists(Path.Combine(folder, "LICENSE")))
        {
            Assert.Ignore($"MKL in {folder} is not from build/fetch-mkl.sh, and so has no licence beside it to pack.");
        }

        if (Given is null)
        {
            DotnetProcess.Done(
                Repository.Root, Quiet, "pack", "Native/mkl/package", "-c", "Release", "-o", _packages, $"-p:MklFolder={folder}",
                $"-p:ArtifactsPath={Path.Combine(_work.FullName, "mkl")}");
        }

        using Package mkl = Open(Mkl, ".nupkg");
        Assert.That(mkl.Files, Is.SupersetOf(new[] { "mkl/LICENSE", "README.md", "runtimes/linux-x64/native/libmkl_rt.so" }));
        Assert.That(mkl.Metadata("license"), Is.EqualTo("mkl/LICENSE"));
        Assert.That(mkl.Dependencies, Is.Empty);

        string project = FreshProject("mkl-fresh", mkl);
        File.WriteAllText(Path.Combine(project, "Program.cs"), """
            using NativeFfn;

            using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Mkl, Kernel = CpuKernel.Sgemm });
            FfnSpec spec = FfnSpec.Create(FfnKind.Relu, dModel: 1, dFf: 1);
            using FfnLayer layer = engine.CreateLayer(spec, new FfnWeights { Up = [2f], Down = [3f] });
            float[] output = new float[1];
            layer.Forward([5f], output);
            Console.WriteLine($"{output[0]} {layer.Gemms} {engine.Backend.Path}");
            """);
        DotnetProcess.Done(project, Quiet, "build", "-c", "Release", "-o", "out", "-p:UseSharedCompilation=false");
        var elsewhere = new Dictionary<string, string?>(Quiet)
        {
            ["NATIVEFFN_CACHE"] = Path.Combine(project, "no-cache"), ["NATIVEFFN_MKL"] = null, ["MKLROOT"] = null,
        };
        string printed = DotnetProcess.Done(project, elsewhere, "out/Fresh.dll").Trim();
        Assert.That(printed, Is.EqualTo("30 sgemm on rows " + Path.Combine(project, "out/runtimes/linux-x64/native/libmkl_rt.so")));
    }

    private static string Readme(Package package) => package.Text("README.md");

    // The sample, with the package instead of the project, and with a cache of its own: nothing but the packages and what they depend on.
    private string FreshProject(string folder = "fresh", Package? beside = null)
    {
        string project = _work.CreateSubdirectory(folder).FullName;
        string feed = _work.CreateSubdirectory(folder + "-feed").FullName;
        foreach (Package package in beside is null ? [_library] : (Package[])[_library, beside])
        {
            File.Copy(package.Path, Path.Combine(feed, Path.GetFileName(package.Path)));
        }

        string more = beside is null ? string.Empty : $"<PackageReference Include=\"{beside.Metadata("id")}\" Version=\"{beside.Version}\" />";
        foreach ((string id, string version) in _library.Dependencies)
        {
            string name = id.ToLowerInvariant();
            File.Copy(Path.Combine(NuGetCache, name, version, $"{name}.{version}.nupkg"), Path.Combine(feed, $"{name}.{version}.nupkg"));
        }

        File.Copy(Path.Combine(Repository.Root, "Samples", "01-first-layer", "Program.cs"), Path.Combine(project, "Program.cs"));
        File.WriteAllText(Path.Combine(project, "Fresh.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <Nullable>enable</Nullable>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="NativeFfn" Version="{_library.Version}" />
                {more}
              </ItemGroup>
            </Project>
            """);
        File.WriteAllText(Path.Combine(project, "nuget.config"), $"""
            <configuration>
              <config><add key="globalPackagesFolder" value="{Path.Combine(_work.FullName, folder + "-cache")}" /></config>
              <packageSources><clear /><add key="packages" value="{feed}" /></packageSources>
              <fallbackPackageFolders><clear /></fallbackPackageFolders>
            </configuration>
            """);
        return project;
    }

    private static string NuGetCache => Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } configured
        ? configured
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    // A version follows the name, which the names of other packages may begin with.
    private Package Open(string name, string extension) => new(Directory.EnumerateFiles(_packages, name + ".*" + extension)
        .Single(file => char.IsDigit(Path.GetFileName(file)[name.Length + 1])));
}
