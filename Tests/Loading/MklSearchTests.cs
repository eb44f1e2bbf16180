using NativeFfn.Bindings;
using NativeFfn.Bindings.Loading;
using NativeFfn.Bindings.Mkl;
using NUnit.Framework;

namespace NativeFfn.Tests.Loading;

public sealed class MklSearchTests
{
    [Test]
    public void A_configured_file_is_the_only_candidate()
    {
        LibraryCandidate only = MklSearch.Candidates("/some/where/libmkl_rt.so.2").Single();
        Assert.Multiple(() =>
        {
            Assert.That(only.Place, Is.EqualTo("configured path"));
            Assert.That(only.Files, Is.EqualTo(new[] { Path.GetFullPath("/some/where/libmkl_rt.so.2") }));
        });
    }

    [Test]
    public void A_configured_folder_offers_the_files_in_it_newest_interface_first()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory();
        try
        {
            foreach (string file in Libraries.MklRtFiles.Reverse())
            {
                File.WriteAllText(Path.Combine(folder.FullName, file), string.Empty);
            }

            LibraryCandidate only = MklSearch.Candidates(folder.FullName).Single();
            Assert.That(only.Files.Select(Path.GetFileName), Is.EqualTo(Libraries.MklRtFiles));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Test]
    public void The_usual_locations_end_with_the_systems_loader_and_name_the_cache()
    {
        if (Environment.GetEnvironmentVariable(MklSearch.PathVariable) is { Length: > 0 })
        {
            Assert.Ignore($"{MklSearch.PathVariable} is set, which leaves no usual locations.");
        }

        LibraryCandidate[] locations = [.. MklSearch.Candidates(null)];
        Assert.Multiple(() =>
        {
            Assert.That(locations.Select(static place => place.Place), Does.Contain("cache of build/fetch-mkl.sh"));
            Assert.That(locations[^1].Place, Is.EqualTo("system's loader"));
            Assert.That(locations[^1].Files.Single(), Is.EqualTo(Libraries.MklRtFiles[^1]));
        });
    }

    [Test]
    [Platform("Linux")]
    public void A_library_of_the_process_is_found_by_its_name()
    {
        Assert.Multiple(() =>
        {
            Assert.That(DynamicLinker.FindLoaded(["no-such-library.so", "libc.so.6"], "malloc"), Does.Contain("libc").Or.Null);
            Assert.That(DynamicLinker.FindLoaded(["no-such-library.so"], "malloc"), Is.Null);
            Assert.That(DynamicLinker.IsLoaded("no-such-library.so"), Is.False);
        });
    }

    [Test]
    [Platform("Linux")]
    public void A_file_that_is_no_library_is_refused_in_the_loaders_words()
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "not a library");
            bool loaded = DynamicLinker.TryLoadGlobal(file, resolveNow: true, out nint handle, out string? problem);
            Assert.Multiple(() =>
            {
                Assert.That(loaded, Is.False);
                Assert.That(handle, Is.EqualTo((nint)0));
                Assert.That(problem, Does.Contain(file));
            });
        }
        finally
        {
            File.Delete(file);
        }
    }
}
