using NativeFfn.Bindings.Cblas;
using NativeFfn.Bindings.Loading;
using NativeFfn.Tests.Cli;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Loading;

/// <summary>Where a CBLAS library is looked for, each in a process of its own.</summary>
[Category("Cblas")]
[Category(Needs.Sdk)]
[Platform("Linux")]
public sealed class CblasLoadingTests
{
    private string _folder = null!;
    private CommandFolder _models = null!;

    [SetUp]
    public void MakeFolders()
    {
        _folder = Directory.CreateTempSubdirectory("nativeffn-cblas").FullName;
        _models = new CommandFolder();
    }

    [TearDown]
    public void RemoveFolders()
    {
        _models.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public void An_empty_folder_is_named_with_the_files_that_are_missing() => Assert.That(
        ErrorOf(_folder), Does.Contain(_folder).And.Contain("libopenblas.so.0").And.Contain("libblis.so.4").And.Contain("build/fetch-cblas.sh"));

    [Test]
    public void A_missing_file_is_named() => Assert.That(ErrorOf(Path.Combine(_folder, "libblis.so.4")), Does.Contain("no such file"));

    [Test]
    public void A_truncated_file_is_an_error_and_not_the_end_of_the_process()
    {
        string copy = Path.Combine(_folder, "libblis.so.4");
        File.Copy(CblasUnderTest.PathOf("blis"), copy);
        using (FileStream cut = File.OpenWrite(copy))
        {
            cut.SetLength(cut.Length / 2);
        }

        Assert.That(ErrorOf(_folder), Does.Contain("libblis.so.4").And.Contain("truncated"));
    }

    [Test]
    public void A_library_without_the_product_is_refused()
    {
        string runtime = Path.Combine(Path.GetDirectoryName(CblasUnderTest.PathOf("openblas"))!, "libquadmath.so.0");
        Assert.That(ErrorOf(runtime), Does.Contain("no function cblas_sgemm"));
    }

    [Test]
    public void What_the_environment_names_is_used_and_auto_takes_it([Values("openblas", "blis")] string name)
    {
        var environment = new Dictionary<string, string?> { [CblasSearch.PathVariable] = Path.GetDirectoryName(CblasUnderTest.PathOf(name)) };
        (int exitCode, string output, string error) = CommandProcess.Run(environment, ["info"]);
        Assert.That(exitCode, Is.Zero, error);
        Assert.That(output, Does.Contain(LibraryCandidate.RealPath(CblasUnderTest.PathOf(name))));

        (exitCode, output, error) = CommandProcess.Run(environment, ["verify", "--model", _models.Checkpoint(), "--require", "cblas"]);
        Assert.That(exitCode, Is.Zero, output + error);
        Assert.That(output, Does.Contain("cblas"));
    }

    [Test]
    public void Nobody_looks_for_one_that_nobody_named()
    {
        var environment = new Dictionary<string, string?> { [CblasSearch.PathVariable] = null, [UserCache.Variable] = _folder };
        (int exitCode, string output, string error) = CommandProcess.Run(environment, ["verify", "--model", _models.Checkpoint()]);
        Assert.That(exitCode, Is.Zero, error);
        Assert.That(output, Does.Not.Contain("cblas"));
    }

    private string ErrorOf(string path)
    {
        (int exitCode, string output, string error) = CommandProcess.Run(
            new Dictionary<string, string?>(), ["bench", "--shape", "16x16", "--tokens", "1", "--seconds", "0.01", "--backend", "cblas", "--cblas-path", path]);
        Assert.That(exitCode, Is.EqualTo(2), output + error);
        return error;
    }
}
