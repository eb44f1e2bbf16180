using NativeFfn.Bindings.Loading;
using NativeFfn.Bindings.Mkl;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Loading;

/// <summary>Each in a process of its own: a process loads MKL once.</summary>
[Category("Mkl")]
[Category(Needs.Sdk)]
[Platform("Linux")]
public sealed class MklLoadingTests
{
    private string _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("nativeffn-mkl").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void An_empty_folder_is_named_with_the_files_that_are_missing()
    {
        string error = ErrorOf(_folder);
        Assert.That(error, Does.Contain(_folder).And.Contain("libmkl_rt.so.2").And.Contain("build/fetch-mkl.sh"));
    }

    [Test]
    public void A_missing_file_is_named() =>
        Assert.That(ErrorOf(Path.Combine(_folder, "libmkl_rt.so")), Does.Contain("no such file"));

    [Test]
    public void A_file_that_is_no_library_is_refused()
    {
        foreach (string name in new[] { "libmkl_rt.so", "libmkl_core.so", "libmkl_sequential.so", "libmkl_intel_lp64.so", "libmkl_def.so" })
        {
            File.WriteAllText(Path.Combine(_folder, name), "not a library");
        }

        Assert.That(ErrorOf(_folder), Does.Contain("libmkl_core.so").And.Contain("invalid ELF header").Or.Contain("file too short"));
    }

    [TestCase("libmkl_core.so")]
    [TestCase("libmkl_sequential.so")]
    [TestCase("libmkl_intel_lp64.so")]
    [TestCase("libmkl_def.so")]
    public void A_missing_layer_is_an_error_and_not_the_end_of_the_process(string layer)
    {
        string source = Path.GetDirectoryName(MklUnderTest.Load().Path)!;
        foreach (string file in Directory.GetFiles(source, "libmkl_*.so"))
        {
            if (Path.GetFileName(file) != layer)
            {
                File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
            }
        }

        Assert.That(ErrorOf(_folder), Does.Contain(layer).And.Contain("missing"));
    }

    [TestCase("libmkl_rt.so")]
    [TestCase("libmkl_core.so")]
    [TestCase("libmkl_sequential.so")]
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    [TestCase("libmkl_avx2.so")]
    public void A_truncated_file_is_an_error_and_not_the_end_of_the_process(string truncated)
    {
        string source = Path.GetDirectoryName(MklUnderTest.Load().Path)!;
        foreach (string file in Directory.GetFiles(source, "libmkl_*.so").Append(Path.Combine(source, truncated)).Distinct())
        {
            string copy = Path.Combine(_folder, Path.GetFileName(file));
            if (Path.GetFileName(file) != truncated)
            {
                File.CreateSymbolicLink(copy, file);
            }
            else
            {
                File.Copy(LibraryCandidate.RealPath(file), copy);
                File.SetUnixFileMode(copy, UnixFileMode.UserRead | UnixFileMode.UserWrite);
                using FileStream cut = File.OpenWrite(copy);
                cut.SetLength(cut.Length / 2);
            }
        }

        // The single library itself is no link, so that its layers are looked for here.
        string single = Path.Combine(_folder, "libmkl_rt.so");
        if (truncated != "libmkl_rt.so")
        {
            File.Delete(single);
            File.Copy(MklUnderTest.Load().Path, single);
        }

        Assert.That(ErrorOf(_folder), Does.Contain(truncated).And.Contain("truncated"));
    }

    [Test]
    public void A_link_leads_to_the_layers_beside_its_target()
    {
        string link = Path.Combine(_folder, "libmkl_rt.so");
        File.CreateSymbolicLink(link, MklUnderTest.Load().Path);
        Assert.That(Verify(new Dictionary<string, string?>(), "--mkl-path", link).ExitCode, Is.Zero);
    }

    [Test]
    public void The_environment_variable_is_obeyed_and_nothing_else_is_tried()
    {
        var environment = new Dictionary<string, string?> { [MklSearch.PathVariable] = _folder };
        (int exitCode, _, string error) = Verify(environment, "--backend", "mkl");
        Assert.Multiple(() =>
        {
            Assert.That(exitCode, Is.EqualTo(2));
            Assert.That(error, Does.Contain(MklSearch.PathVariable).And.Not.Contain("system's loader"));
        });
    }

    [Test]
    public void Without_its_cache_every_place_is_listed_and_auto_runs_on_managed()
    {
        var environment = new Dictionary<string, string?>
        {
            [UserCache.Variable] = _folder,
            [MklSearch.PathVariable] = null,
            ["MKLROOT"] = null,
        };
        if (CommandProcess.Run(environment, "info", "--json").Output.Contains("libmkl_rt.so", StringComparison.Ordinal)
            && !CommandProcess.Run(environment, "info").Output.Contains("was not found", StringComparison.Ordinal))
        {
            Assert.Ignore("MKL is installed in this system, where no setting can hide it.");
        }

        (int exitCode, _, string error) = Verify(environment, "--backend", "mkl");
        (int autoExitCode, string autoOutput, string autoError) = Forward(environment, "--backend", "auto");
        Assert.Multiple(() =>
        {
            Assert.That(exitCode, Is.EqualTo(2));
            Assert.That(error, Does.StartWith("nativeffn: error:"));
            Assert.That(
                error,
                Does.Contain(_folder).And.Contain("application folder").And.Contain("system's loader").And.Contain("build/fetch-mkl.sh"));
            Assert.That(autoExitCode, Is.Zero, autoError);
            Assert.That(autoOutput + autoError, Does.Contain("managed").And.Contain("mkl"));
        });
    }

    private static string ErrorOf(string mklPath)
    {
        (int exitCode, _, string error) = Verify(new Dictionary<string, string?>(), "--backend", "mkl", "--mkl-path", mklPath);
        Assert.That(exitCode, Is.EqualTo(2), error);
        return error;
    }

    private static (int ExitCode, string Output, string Error) Verify(Dictionary<string, string?> environment, params string[] more) =>
        Forward(environment, more);

    private static (int ExitCode, string Output, string Error) Forward(Dictionary<string, string?> environment, params string[] more)
    {
        GoldenCase golden = GoldenCases.All.Single(static golden => golden.Name == "llama");
        string output = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".safetensors");
        try
        {
            return CommandProcess.Run(
                environment,
                ["forward", "--model", golden.Directory, "--layer", $"{golden.Layer}",
                 "--input", Path.Combine(golden.Directory, "input.safetensors"), "--output", output, .. more]);
        }
        finally
        {
            File.Delete(output);
        }
    }
}
