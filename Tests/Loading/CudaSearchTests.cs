using System.Runtime.InteropServices;
using NativeFfn.Bindings;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Loading;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Loading;

/// <summary>Where CUDA's libraries are looked for, and what is said where they are not.</summary>
[NonParallelizable]
[Platform("Linux")]
public sealed class CudaSearchTests
{
    private static readonly string[] Variables =
        [CudaSearch.PathVariable, "CUDA_HOME", "CUDA_PATH", "CONDA_PREFIX", "VIRTUAL_ENV", UserCache.Variable];

    private ClearedEnvironment _environment = null!;
    private string _folder = null!;

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("nativeffn-cuda").FullName;
        _environment = new ClearedEnvironment(Variables);
    }

    [TearDown]
    public void RemoveFolder()
    {
        _environment.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public void Names_go_from_new_to_old_and_stop_at_the_drivers_version()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Libraries.CudaDriverFiles, Is.EqualTo(new[] { "libcuda.so.1" }));
            Assert.That(Libraries.CublasLtFiles(13), Is.EqualTo(new[] { "libcublasLt.so.13", "libcublasLt.so.12" }));
            Assert.That(Libraries.CublasLtFiles(14), Is.EqualTo(Libraries.CublasLtFiles(13)));
            Assert.That(Libraries.CublasLtFiles(12), Is.EqualTo(new[] { "libcublasLt.so.12" }));
            Assert.That(Libraries.NvrtcFiles(13), Is.EqualTo(new[] { "libnvrtc.so.13", "libnvrtc.so.12" }));
            Assert.That(Libraries.NvrtcFiles(12), Is.EqualTo(new[] { "libnvrtc.so.12" }));
        });
    }

    [Test]
    public void A_configured_folder_or_a_file_in_it_is_the_only_place()
    {
        string file = Put("libnvrtc.so.12");
        Put("libnvrtc.so.13");
        Environment.SetEnvironmentVariable(CudaSearch.PathVariable, "/elsewhere");
        foreach (string path in new[] { _folder, file, Path.Combine(_folder, "libcublasLt.so.12") })
        {
            LibraryCandidate only = Nvrtc(path).Single();
            Assert.That(only.Place, Is.EqualTo("configured path"));
            Assert.That(only.Files.Select(Path.GetFileName), Is.EqualTo(new[] { "libnvrtc.so.13", "libnvrtc.so.12" }));
        }
    }

    [Test]
    public void The_environment_variable_is_obeyed_and_nothing_else_is_tried()
    {
        Environment.SetEnvironmentVariable(CudaSearch.PathVariable, _folder);
        LibraryCandidate only = Nvrtc(null).Single();
        Assert.That((only.Place, only.Location, only.Files.Length), Is.EqualTo(($"environment variable {CudaSearch.PathVariable}", _folder, 0)));
    }

    [TestCase("CUDA_HOME", "lib64")]
    [TestCase("CUDA_PATH", "lib64")]
    [TestCase("CONDA_PREFIX", "lib")]
    [TestCase("CONDA_PREFIX", "lib/python3.12/site-packages/nvidia/cu13/lib")]
    [TestCase("VIRTUAL_ENV", "lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib")]
    [TestCase("VIRTUAL_ENV", "lib/python3/dist-packages/nvidia/cuda_nvrtc/lib")]
    [TestCase("NATIVEFFN_CACHE", "cuda/12.4/lib")]
    public void A_library_is_found_below(string variable, string folder)
    {
        string file = Put(Path.Combine(folder, "libnvrtc.so.12"));
        Environment.SetEnvironmentVariable(variable, _folder);
        Assert.That(Nvrtc(null).SelectMany(static place => place.Files), Does.Contain(file));
    }

    [Test]
    public void A_toolkit_is_found_below_its_target()
    {
        string target = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "sbsa-linux" : "x86_64-linux";
        string file = Put(Path.Combine("targets", target, "lib", "libnvrtc.so.12"));
        Environment.SetEnvironmentVariable("CUDA_HOME", _folder);
        Assert.That(Nvrtc(null).SelectMany(static place => place.Files), Does.Contain(file));
    }

    [Test]
    public void Of_Python_packages_the_newest_soname_comes_first()
    {
        string old = Put("lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12");
        string young = Put("lib/python3.9/site-packages/nvidia/cu13/lib/libnvrtc.so.13");
        Environment.SetEnvironmentVariable("VIRTUAL_ENV", _folder);
        LibraryCandidate python = Nvrtc(null).Single(static place => place.Place == "Python packages");
        Assert.That(python.Files.Where(file => file.StartsWith(_folder, StringComparison.Ordinal)), Is.EqualTo(new[] { young, old }));
    }

    [Test]
    public void The_usual_locations_are_in_order_and_end_with_the_systems_loader()
    {
        foreach (string variable in Variables.Except([CudaSearch.PathVariable]))
        {
            Environment.SetEnvironmentVariable(variable, _folder);
        }

        string[] locations = [.. Nvrtc(null).Select(static place => place.Place).Where(static place => place != "already in the process").Distinct()];
        Assert.That(
            locations,
            Is.EqualTo(new[]
            {
                "application folder", "application's runtimes folder", "environment variable CUDA_HOME", "environment variable CUDA_PATH", "CUDA toolkit",
                "environment variable CONDA_PREFIX", "Python packages", "cache of build/fetch-cuda.sh", "system's loader",
            }));
    }

    [Test]
    public void The_driver_is_the_systems_own_unless_a_configured_folder_has_one()
    {
        string[] usual = [.. CudaSearch.Driver(null).Select(static place => place.Place).Where(static place => place != "already in the process")];
        string file = Put("libcuda.so.1");
        Assert.Multiple(() =>
        {
            Assert.That(usual, Is.EqualTo(new[] { "system's loader", "Windows Subsystem for Linux" }));
            Assert.That(CudaSearch.Driver(_folder).First().Files, Is.EqualTo(new[] { file }));
            Assert.That(CudaSearch.Driver("/elsewhere").Select(static place => place.Place), Does.Contain("system's loader"));
        });
    }

    [Test]
    public void A_library_that_is_missing_is_named_with_every_place_and_the_remedy()
    {
        NativeLibraryException? cublas = Assert.Throws<NativeLibraryException>(() => CudaLoader.CuBlasLt(_folder, 12));
        NativeLibraryException? nvrtc = Assert.Throws<NativeLibraryException>(() => CudaLoader.Nvrtc(_folder, 13));
        Assert.Multiple(() =>
        {
            Assert.That(cublas!.Message, Does.StartWith("cuBLASLt was not found.").And.Contain("build/fetch-cuda.sh --all").And.Contain("CudaPath option"));
            Assert.That(cublas.Message, Does.Contain("no newer than the driver's CUDA 12").And.Contain(CudaSearch.PathVariable));
            Assert.That(cublas.Attempts.Single().ToString(), Is.EqualTo($"configured path: {_folder}: no libcublasLt.so.12 there"));
            Assert.That(nvrtc!.Message, Does.StartWith("CUDA's run-time compiler NVRTC was not found.").And.Contain("libnvrtc.so.13, libnvrtc.so.12"));
        });
    }

    [Test]
    public void A_file_that_is_no_library_is_refused_in_the_loaders_words()
    {
        string file = Put("libcublasLt.so.12");
        NativeLibraryException? exception = Assert.Throws<NativeLibraryException>(() => CudaLoader.CuBlasLt(_folder, 12));
        Assert.That(exception!.Attempts.Single().Problem, Does.Contain(file).And.Contain("too short").Or.Contain("invalid ELF header"));
    }

    [Test]
    public void A_library_of_another_kind_is_refused()
    {
        string? other = DynamicLinker.FindLoaded(["libm.so.6"], "cos");
        if (other is null)
        {
            Assert.Ignore("This system's C library is not glibc.");
        }

        File.Copy(other!, Path.Combine(_folder, "libcublasLt.so.12"));
        Assert.That(
            () => CudaLoader.CuBlasLt(_folder, 12), Throws.TypeOf<NativeLibraryException>().With.Message.Contains("it has no function cublasLtCreate"));
    }

    [Test]
    public void A_missing_driver_has_a_text_of_its_own()
    {
        try
        {
            LoadedLibrary driver = CudaLoader.Driver(_folder);
            Assert.Ignore($"This machine has a driver: {driver.Path}");
        }
        catch (NativeLibraryException exception)
        {
            Assert.That(
                exception.Message,
                Does.StartWith("The library of the NVIDIA driver was not found. Install the NVIDIA driver").And.Contain("libcuda.so.1").And.Contain("--gpus all"));
        }
    }

    [Test]
    [Platform("Linux")]
    public void A_library_that_is_there_and_broken_is_not_called_missing()
    {
        string broken = Put("libcublasLt.so.12");
        Assert.That(
            () => CudaLoader.CuBlasLt(_folder, 12),
            Throws.TypeOf<NativeLibraryException>().With.Message.StartsWith($"cuBLASLt was found but cannot be used ({broken}: "));
    }

    private static LibraryCandidate[] Nvrtc(string? path) => [.. CudaSearch.Toolkit(path, Libraries.NvrtcFiles(13), "nvrtcVersion")];

    private string Put(string file)
    {
        string path = Path.Combine(_folder, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, string.Empty);
        return path;
    }
}
