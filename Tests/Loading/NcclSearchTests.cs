using NativeFfn.Bindings;
using NativeFfn.Bindings.Loading;
using NativeFfn.Bindings.Nccl;
using NUnit.Framework;

namespace NativeFfn.Tests.Loading;

/// <summary>Where NCCL is looked for, and what is said where it is not.</summary>
[NonParallelizable]
[Platform("Linux")]
public sealed class NcclSearchTests
{
    private static readonly string[] Variables = [NcclSearch.PathVariable, "VIRTUAL_ENV"];

    private readonly Dictionary<string, string?> _before = [];
    private string _folder = null!;

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("nativeffn-nccl").FullName;
        foreach (string variable in Variables)
        {
            _before[variable] = Environment.GetEnvironmentVariable(variable);
            Environment.SetEnvironmentVariable(variable, null);
        }
    }

    [TearDown]
    public void RemoveFolder()
    {
        foreach ((string variable, string? value) in _before)
        {
            Environment.SetEnvironmentVariable(variable, value);
        }

        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public void A_configured_path_or_else_the_environments_is_the_only_place()
    {
        string file = Put("libnccl.so.2");
        Environment.SetEnvironmentVariable(NcclSearch.PathVariable, _folder);
        foreach ((string? path, string place) in new[]
        {
            (file, "configured path"), (_folder, "configured path"), (null, $"environment variable {NcclSearch.PathVariable}"),
        })
        {
            LibraryCandidate only = NcclSearch.Candidates(path).Single();
            Assert.That((only.Place, only.Files.Single()), Is.EqualTo((place, file)));
        }
    }

    [Test]
    public void The_package_that_PyTorch_brings_is_found_and_the_systems_loader_asked_last()
    {
        string file = Put("lib/python3.12/site-packages/nvidia/nccl/lib/libnccl.so.2");
        Environment.SetEnvironmentVariable("VIRTUAL_ENV", _folder);
        LibraryCandidate[] places = [.. NcclSearch.Candidates(null)];
        Assert.That(places.Single(static place => place.Place == "Python packages").Files, Does.Contain(file));
        Assert.That(places[^1].Place, Is.EqualTo("system's loader"));
    }

    [Test]
    public void Where_it_is_missing_the_place_and_the_remedy_are_named()
    {
        NativeLibraryException? missing = Assert.Throws<NativeLibraryException>(() => NcclLibrary.Load(_folder));
        Assert.That(missing!.Message, Does.StartWith("NCCL was not found.").And.Contain("NcclPath option"));
        Assert.That(missing.Message, Does.Contain(NcclSearch.PathVariable));
        Assert.That(missing.Attempts.Single().ToString(), Is.EqualTo($"configured path: {_folder}: no libnccl.so.2 there"));
    }

    private string Put(string file)
    {
        string path = Path.Combine(_folder, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, string.Empty);
        return path;
    }
}
