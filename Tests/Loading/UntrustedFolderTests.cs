using System.Runtime.Versioning;
using NativeFfn.Bench.Subjects;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Loading;
using NativeFfn.Bindings.Mkl;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Loading;

/// <summary>Nothing is loaded from, or written to, a folder that the current folder or another user decides.</summary>
[NonParallelizable]
[Platform("Linux")]
[UnsupportedOSPlatform("windows")]
public sealed class UntrustedFolderTests
{
    private string _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("nativeffn-trust").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("HOME", "/nonexistent")]
    [TestCase("HOME", ".")]
    [TestCase(UserCache.Variable, ".cache/nativeffn")]
    [Category(Needs.Sdk)]
    public void Without_an_absolute_folder_there_is_no_cache(string variable, string value)
    {
        string planted = Path.Combine(_folder, ".cache", "nativeffn", "mkl", "9999", "lib");
        Directory.CreateDirectory(planted);
        File.WriteAllText(Path.Combine(planted, "libmkl_rt.so"), "planted");
        var environment = new Dictionary<string, string?>
        {
            ["XDG_CACHE_HOME"] = ".cache", [UserCache.Variable] = null, [MklSearch.PathVariable] = null, ["MKLROOT"] = null, [variable] = value,
        };
        (int exitCode, string output, string error) = DotnetProcess.Run(
            _folder, environment, [Path.Combine(AppContext.BaseDirectory, "NativeFfn.Cli.dll"), "info"]);
        Assert.Multiple(() =>
        {
            Assert.That(exitCode, Is.Zero, error);
            Assert.That(output + error, Does.Not.Contain("9999"));
            Assert.That(output + error, Does.Contain("no cache").Or.Not.Contain("cache of"));
            Assert.That(Directory.GetFiles(_folder, "*", SearchOption.AllDirectories), Has.Length.EqualTo(1));
        });
    }

    [TestCase("MKLROOT")]
    [TestCase(MklSearch.PathVariable)]
    public void A_relative_path_of_the_environment_is_not_looked_at(string variable) =>
        AssertIgnored(variable, () => MklSearch.Candidates(null));

    [TestCase("CUDA_HOME")]
    [TestCase("CUDA_PATH")]
    [TestCase("CONDA_PREFIX")]
    [TestCase("VIRTUAL_ENV")]
    [TestCase(CudaSearch.PathVariable)]
    public void A_relative_path_of_CUDA_is_not_looked_at(string variable) =>
        AssertIgnored(variable, () => CudaSearch.Toolkit(null, ["libnvrtc.so.12"], "nvrtcVersion"));

    [TestCase(UnixFileMode.OtherWrite, "everybody may write it")]
    [TestCase(UnixFileMode.GroupWrite, "may write it")]
    public void A_library_that_others_may_replace_is_refused(UnixFileMode added, string problem)
    {
        string file = CopyOfALibrary();
        UnixFileMode safe = File.GetUnixFileMode(_folder);
        Assert.That(Problem(file), Is.Null);
        File.SetUnixFileMode(_folder, safe | added);
        Assert.That(Problem(file), Does.Contain(_folder).And.Contain(problem).And.Contain("chmod go-w"));
        File.SetUnixFileMode(_folder, safe);
        File.SetUnixFileMode(file, File.GetUnixFileMode(file) | added);
        Assert.That(Problem(file), Does.Contain(file).And.Contain(problem));
    }

    [Test]
    public void A_link_is_judged_by_where_it_leads()
    {
        string shared = Directory.CreateDirectory(Path.Combine(_folder, "shared")).FullName;
        string file = Path.Combine(shared, "library.so");
        File.Move(CopyOfALibrary(), file);
        string link = Path.Combine(_folder, "link.so");
        File.CreateSymbolicLink(link, file);
        File.SetUnixFileMode(shared, File.GetUnixFileMode(shared) | UnixFileMode.OtherWrite);
        Assert.That(Problem(link), Does.Contain(shared));
    }

    // Without a home the folder of the cache was a relative one.
    [Test]
    public void Peers_of_the_comparison_are_not_looked_for_below_the_current_folder()
    {
        string before = Directory.GetCurrentDirectory();
        Dictionary<string, string?> changed = new()
        {
            ["HOME"] = "/nonexistent", ["XDG_CACHE_HOME"] = null, [UserCache.Variable] = null, ["NATIVEFFN_ONEDNN"] = null,
        };
        Dictionary<string, string?> kept = changed.Keys.ToDictionary(static name => name, Environment.GetEnvironmentVariable);
        string library = Path.Combine(Directory.CreateDirectory(Path.Combine(_folder, ".cache/nativeffn/onednn/1/lib")).FullName, "libdnnl.so.2");
        File.WriteAllBytes(library, []);
        try
        {
            Directory.SetCurrentDirectory(_folder);
            changed.ToList().ForEach(static pair => Environment.SetEnvironmentVariable(pair.Key, pair.Value));
            Assert.That(
                static () => FetchedLibrary.Find("oneDNN", "onednn", "build/fetch-onednn.sh", "libdnnl.so.2", "NATIVEFFN_ONEDNN"),
                Throws.TypeOf<DllNotFoundException>().With.Message.Contains("no home folder"));
        }
        finally
        {
            kept.ToList().ForEach(static pair => Environment.SetEnvironmentVariable(pair.Key, pair.Value));
            Directory.SetCurrentDirectory(before);
        }
    }

    private static string? Problem(string file) => DynamicLinker.WhyUnsafe(file);

    private static void AssertIgnored(string variable, Func<IEnumerable<LibraryCandidate>> search)
    {
        string? before = Environment.GetEnvironmentVariable(variable);
        Environment.SetEnvironmentVariable(variable, "here");
        try
        {
            LibraryCandidate[] named = [.. search().Where(place => place.Place == "environment variable " + variable)];
            Assert.That(named.Select(static place => (place.Location, place.Files.Length)), Is.EqualTo(new[] { ("here", 0) }));
            Assert.That(named.Single().Problem, Does.Contain("not an absolute path"));
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, before);
        }
    }

    private string CopyOfALibrary()
    {
        string file = Path.Combine(_folder, "library.so");
        File.Copy(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "libSystem.Native.so"), file);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return file;
    }
}
