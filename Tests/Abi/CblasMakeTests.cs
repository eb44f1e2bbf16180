using System.Runtime.InteropServices;
using NativeFfn.Bindings.Cblas;
using NativeFfn.Bindings.Loading;
using NUnit.Framework;

namespace NativeFfn.Tests.Abi;

/// <summary>What a CBLAS library says of itself, and how its threads are held, with libraries of the test's own.</summary>
[NonParallelizable]
public sealed unsafe class CblasMakeTests
{
    private const int OwnThreads = 1;
    private const int OpenMp = 2;

    // Texts as openblas_get_config and bli_info_get_version_str give them.
    private static readonly nint Plain = Marshal.StringToCoTaskMemUTF8("OpenBLAS 0.3.21 DYNAMIC_ARCH NO_AFFINITY Zen MAX_THREADS=2");
    private static readonly nint Wide = Marshal.StringToCoTaskMemUTF8("OpenBLAS 0.3.21 USE64BITINT DYNAMIC_ARCH Zen MAX_THREADS=2");

    private static nint s_config;
    private static int s_parallel;
    private static int s_threads;
    private static int s_ompThreads;
    private static nint s_integerBits;
    private static int s_inside;
    private static int s_most;
    private static int s_threadsOfProduct;

    [SetUp]
    public void Reset() => (s_config, s_parallel, s_threads, s_ompThreads, s_integerBits, s_inside, s_most) = (Plain, OwnThreads, 4, 4, 32, 0, 0);

    [Test]
    public void Threads_of_its_own_are_held_to_one_once()
    {
        CblasLibrary library = Accepted(OpenBlas());
        Assert.That((library.Version, s_threads), Is.EqualTo(("OpenBLAS 0.3.21 DYNAMIC_ARCH NO_AFFINITY Zen MAX_THREADS=2", 1)));
    }

    [Test]
    public void Threads_that_the_application_set_are_not_touched()
    {
        Assert.That(Refused(OpenBlas(), isShared: true), Does.Contain("uses it with 4 threads").And.Contain("OPENBLAS_NUM_THREADS=1"));
        Assert.That(s_threads, Is.EqualTo(4));
        s_threads = 1;
        Accepted(OpenBlas(), isShared: true);

        s_threads = 3;
        Assert.That(Refused(Blis(), isShared: true), Does.Contain("uses it with 3 threads").And.Contain("BLIS_NUM_THREADS=1"));
        Assert.That(s_threads, Is.EqualTo(3));
    }

    [Test]
    public void A_serial_build_is_refused_as_several_threads_would_share_its_buffers()
    {
        s_parallel = 0;
        Assert.That(Refused(OpenBlas()), Does.Contain("serial build"));
    }

    [Test]
    public void OpenMPs_number_is_one_for_a_product_and_put_back()
    {
        s_parallel = OpenMp;
        Assert.That(Refused(OpenBlas()), Does.Contain("OpenMP, whose functions were not found"));

        CblasLibrary library = Accepted([.. OpenBlas(), "omp_get_max_threads", "omp_set_num_threads"]);
        Multiply(library);
        Assert.That((s_threadsOfProduct, s_ompThreads), Is.EqualTo((1, 4)));
    }

    [Test]
    public void BLIS_is_held_to_one_thread_at_a_product_even_where_it_keeps_a_number_for_each_thread()
    {
        CblasLibrary library = Accepted(Blis());
        s_threads = 4;
        Multiply(library);
        Assert.That((library.Version, s_threadsOfProduct), Is.EqualTo(("BLIS OpenBLAS 0.3.21 DYNAMIC_ARCH NO_AFFINITY Zen MAX_THREADS=2", 1)));
    }

    [Test]
    public void Wide_integers_are_refused()
    {
        s_config = Wide;
        Assert.That(Refused(OpenBlas()), Does.Contain("64-bit integers"));
        s_integerBits = 64;
        Assert.That(Refused(Blis()), Does.Contain("other than 32-bit integers"));
    }

    [Test]
    public void Others_are_told_by_name_and_MKL_is_left_to_its_backend()
    {
        Assert.That(Accepted([]).Version, Is.EqualTo("libcblas.so.3, whose threads are its own"));
        Assert.That(Refused(["MKL_Get_Version"]), Does.Contain("use backend mkl"));
        Assert.That(Refused(["openblas_get_config"]), Does.Contain("does not tell how it uses threads"));
        Assert.That(Refused(["bli_info_get_version_str", "bli_info_get_blas_int_type_size"]), Does.Contain("does not tell how it uses threads"));
    }

    [Test]
    public void No_more_products_run_at_a_time_than_OpenBLAS_has_buffers_for()
    {
        CblasLibrary library = Accepted(OpenBlas());
        Thread[] callers = [.. Enumerable.Range(0, 8).Select(_ => new Thread(() => Multiply(library)))];
        Array.ForEach(callers, static caller => caller.Start());
        Array.ForEach(callers, static caller => caller.Join());
        Assert.That((s_most, s_inside), Is.EqualTo((2, 0)), "MAX_THREADS=2");
    }

    private static string[] OpenBlas() =>
        ["openblas_get_config", "openblas_get_parallel", "openblas_get_num_threads", "openblas_set_num_threads"];

    private static string[] Blis() =>
        ["bli_info_get_version_str", "bli_info_get_blas_int_type_size", "bli_thread_get_num_threads", "bli_thread_set_num_threads"];

    private static CblasLibrary Accepted(string[] functions, bool isShared = false)
    {
        (CblasLibrary? library, string? problem) = Configure(functions, isShared);
        Assert.That(problem, Is.Null);
        return library!;
    }

    private static string Refused(string[] functions, bool isShared = false)
    {
        (CblasLibrary? library, string? problem) = Configure(functions, isShared);
        Assert.That(library, Is.Null);
        return problem!;
    }

    private static (CblasLibrary? Library, string? Problem) Configure(string[] functions, bool isShared) =>
        CblasLibrary.Configure("/usr/lib/libcblas.so.3", new CblasFunctions(new Functions([.. functions, "cblas_sgemm"])), isShared);

    private static void Multiply(CblasLibrary library) =>
        library.Multiply(1, 1, 1, null, 1, null, 1, transposed: true, null, 1, accumulate: false);

    [UnmanagedCallersOnly]
    private static nint Config() => s_config;

    [UnmanagedCallersOnly]
    private static int IsParallel() => s_parallel;

    [UnmanagedCallersOnly]
    private static int Threads() => s_threads;

    [UnmanagedCallersOnly]
    private static void SetThreads(int threads) => s_threads = threads;

    [UnmanagedCallersOnly]
    private static nint BlisThreads() => s_threads;

    [UnmanagedCallersOnly]
    private static void SetBlisThreads(nint threads) => s_threads = (int)threads;

    [UnmanagedCallersOnly]
    private static nint IntegerBits() => s_integerBits;

    [UnmanagedCallersOnly]
    private static int OmpThreads() => s_ompThreads;

    [UnmanagedCallersOnly]
    private static void SetOmpThreads(int threads) => s_ompThreads = threads;

    // Long enough for others to come in meanwhile if they are let.
    [UnmanagedCallersOnly]
    private static void Product(
        int layout, int opA, int opB, int m, int n, int k, float alpha, float* a, int lda, float* b, int ldb, float beta, float* c, int ldc)
    {
        s_threadsOfProduct = s_parallel == OpenMp ? s_ompThreads : s_threads;
        int inside = Interlocked.Increment(ref s_inside);
        for (int most = s_most; inside > most && Interlocked.CompareExchange(ref s_most, inside, most) != most; most = s_most)
        {
        }

        Thread.Sleep(20);
        Interlocked.Decrement(ref s_inside);
    }

    private sealed class Functions(string[] names) : NativeSymbols
    {
        public override string Path => "a CBLAS of the test";

        public override bool TryFind(string name, out nint address)
        {
            address = !names.Contains(name) ? 0 : name switch
            {
                nameof(CblasFunctions.cblas_sgemm) =>
                    (nint)(delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void>)&Product,
                nameof(CblasFunctions.openblas_get_parallel) => (nint)(delegate* unmanaged<int>)&IsParallel,
                nameof(CblasFunctions.openblas_get_num_threads) => (nint)(delegate* unmanaged<int>)&Threads,
                nameof(CblasFunctions.openblas_set_num_threads) => (nint)(delegate* unmanaged<int, void>)&SetThreads,
                nameof(CblasFunctions.bli_info_get_blas_int_type_size) => (nint)(delegate* unmanaged<nint>)&IntegerBits,
                nameof(CblasFunctions.bli_thread_get_num_threads) => (nint)(delegate* unmanaged<nint>)&BlisThreads,
                nameof(CblasFunctions.bli_thread_set_num_threads) => (nint)(delegate* unmanaged<nint, void>)&SetBlisThreads,
                nameof(CblasFunctions.omp_get_max_threads) => (nint)(delegate* unmanaged<int>)&OmpThreads,
                nameof(CblasFunctions.omp_set_num_threads) => (nint)(delegate* unmanaged<int, void>)&SetOmpThreads,
                _ => (nint)(delegate* unmanaged<nint>)&Config,
            };
            return address != 0;
        }
    }
}
