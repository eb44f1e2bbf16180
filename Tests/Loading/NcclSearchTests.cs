using NativeFfn.Bindings;
using NativeFfn.Bindings.Loading;
using NativeFfn.Bindings.Nccl;
using NativeFfn.Tests.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Loading;

/// <summary>Where NCCL is looked for, and what is said where it is not.</summary>
[NonParallelizable]
[Platform("Linux")]
public sealed class NcclSearchTests
{
    private ClearedEnvironment _environment = null!;
    private TempFolder _folder = null!;

    [SetUp]
    public void MakeFolder()
    {
        _folder = new TempFolder();
        _environment = new ClearedEnvironment(NcclSearch.PathVariable, "VIRTUAL_ENV");
    }

    [TearDown]
    public void RemoveFolder()
    {
        _environment.Dispose();
        _folder.Dispose();
    }

    [Test]
    public void A_configured_path_or_else_the_environments_is_the_only_place()
    {
        string file = _folder.Write("libnccl.so.2", string.Empty);
        Environment.SetEnvironmentVariable(NcclSearch.PathVariable, _folder.Path);
        foreach ((string? path, string place) in new[]
        {
            (file, "configured path"), (_folder.Path, "configured path"), (null, $"environment variable {NcclSearch.PathVariable}"),
        })
        {
            LibraryCandidate only = NcclSearch.Candidates(path).Single();
            Assert.That((only.Place, only.Files.Single()), Is.EqualTo((place, file)));
        }
    }

    [Test]
    public void The_package_that_PyTorch_brings_is_found_and_the_systems_loader_asked_last()
    {
        const string package = "lib/python3.12/site-packages/nvidia/nccl/lib";
        Directory.CreateDirectory(_folder[package]);
        string file = _folder.Write($"{package}/libnccl.so.2", string.Empty);
        Environment.SetEnvironmentVariable("VIRTUAL_ENV", _folder.Path);
        LibraryCandidate[] places = [.. NcclSearch.Candidates(null)];
        Assert.That(places.Single(static place => place.Place == "Python packages").Files, Does.Contain(file));
        Assert.That(places[^1].Place, Is.EqualTo("system's loader"));
    }

    [Test]
    public void Where_it_is_missing_the_place_and_the_remedy_are_named()
    {
        NativeLibraryException? missing = Assert.Throws<NativeLibraryException>(() => NcclLibrary.Load(_folder.Path));
        Assert.That(missing!.Message, Does.StartWith("NCCL was not found.").And.Contain("NcclPath option"));
        Assert.That(missing.Message, Does.Contain(NcclSearch.PathVariable));
        Assert.That(missing.Attempts.Single().ToString(), Is.EqualTo($"configured path: {_folder.Path}: no libnccl.so.2 there"));
    }
}
