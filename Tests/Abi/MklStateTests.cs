using System.Runtime.InteropServices;
using NativeFfn.Bindings.Loading;
using NativeFfn.Bindings.Mkl;
using NUnit.Framework;

namespace NativeFfn.Tests.Abi;

/// <summary>MKL as an application has set it before, with threads or with 64-bit integers; and that nothing reaches it that does not fit it.</summary>
public sealed unsafe class MklStateTests
{
    private const int IntelThreads = 0;
    private const int Ilp64 = 1;
    private const int ThreadsOfApplication = 4;

    private static int s_threading;
    private static int s_integers;
    private static int s_threads;
    private static int s_settings;
    private static readonly List<int> ThreadsOfProducts = [];

    [SetUp]
    public void Reset()
    {
        (s_threading, s_integers, s_threads, s_settings) = (MklFunctions.ThreadingSequential, MklFunctions.InterfaceLp64, ThreadsOfApplication, 0);
        ThreadsOfProducts.Clear();
    }

    [Test]
    public void An_application_with_64_bit_integers_is_refused()
    {
        s_integers = Ilp64;
        (MklLibrary? library, string? problem) = Configure();
        Assert.That(library, Is.Null);
        Assert.That(problem, Does.Contain("ILP64"));
    }

    [Test]
    public void Where_the_application_has_threads_every_product_is_held_to_one_and_they_are_given_back()
    {
        s_threading = IntelThreads;
        MklLibrary library = Configure().Library!;
        Assert.That(library.IsSequential, Is.False);
        Multiply(library, 2, 3, 4, 4, 4, 3);
        Multiply(library, 2, 3, 4, 4, 4, 3);
        Assert.That(ThreadsOfProducts, Is.EqualTo(new[] { 1, 1 }));
        Assert.That(s_threads, Is.EqualTo(ThreadsOfApplication));
    }

    [Test]
    public void In_the_sequential_layer_no_threads_are_set()
    {
        MklLibrary library = Configure().Library!;
        Multiply(library, 2, 3, 4, 4, 4, 3);
        Assert.That((library.IsSequential, s_settings, ThreadsOfProducts.Count), Is.EqualTo((true, 0, 1)));
    }

    // The last element's index of two rows: a stride and the row's length, less one.
    [TestCase(2, 1, 1, int.MaxValue - 1L, 1, 1, true, TestName = "A's last index fits")]
    [TestCase(2, 1, 1, (long)int.MaxValue, 1, 1, false, TestName = "A's last index does not")]
    [TestCase(1, 2, 1, 1, int.MaxValue - 1L, 2, true, TestName = "B's last index fits")]
    [TestCase(1, 2, 1, 1, (long)int.MaxValue, 2, false, TestName = "B's last index does not")]
    [TestCase(2, 1, 1, 1, 1, int.MaxValue - 1L, true, TestName = "C's last index fits")]
    [TestCase(2, 1, 1, 1, 1, (long)int.MaxValue, false, TestName = "C's last index does not")]
    [TestCase(1, 1, 1, long.MaxValue, long.MaxValue, long.MaxValue, true, TestName = "The stride of a single row is never walked")]
    [TestCase(2, 1, 3, 2, 3, 1, false, TestName = "A's rows overlap")]
    [TestCase(2, 1, 1, long.MaxValue, 1, 1, false, TestName = "A's last index passes 64 bits")]
    [TestCase(-1, 1, 1, 1, 1, 1, false, TestName = "A row less than none")]
    public void Only_what_fits_32_bits_reaches_MKL(int m, int n, int k, long lda, long ldb, long ldc, bool fits)
    {
        MklLibrary library = Configure().Library!;
        NUnit.Framework.Constraints.IResolveConstraint expected =
            fits ? Throws.Nothing : Throws.InstanceOf<ArgumentOutOfRangeException>().Or.InstanceOf<OverflowException>();
        Assert.That(() => Multiply(library, m, n, k, lda, ldb, ldc), expected);
        Assert.That(ThreadsOfProducts, Has.Count.EqualTo(fits ? 1 : 0));
    }

    private static (MklLibrary? Library, string? Problem) Configure() => MklLibrary.Configure("an MKL of the test", new MklFunctions(new Functions()));

    // The fake reads no element.
    private static void Multiply(MklLibrary library, int m, int n, int k, long lda, long ldb, long ldc) =>
        library.Multiply(m, n, k, null, lda, null, ldb, transposed: true, null, ldc, accumulate: false);

    [UnmanagedCallersOnly]
    private static int SetThreading(int wanted) => s_threading;

    [UnmanagedCallersOnly]
    private static int SetInterface(int wanted) => s_integers;

    [UnmanagedCallersOnly]
    private static int SetThreads(int threads)
    {
        s_settings++;
        (int before, s_threads) = (s_threads, threads);
        return before;
    }

    [UnmanagedCallersOnly]
    private static int Succeed(int setting) => MklFunctions.CbwrSuccess;

    [UnmanagedCallersOnly]
    private static void GetVersion(MklFunctions.MKLVersion* version) => *version = new MklFunctions.MKLVersion { MajorVersion = 2020 };

    [UnmanagedCallersOnly]
    private static void Sgemm(
        int layout, int opA, int opB, int m, int n, int k, float alpha, float* a, int lda, float* b, int ldb, float beta, float* c, int ldc) =>
        ThreadsOfProducts.Add(s_threads);

    private sealed class Functions : NativeSymbols
    {
        public override string Path => "an MKL of the test";

        public override bool TryFind(string name, out nint address)
        {
            address = name switch
            {
                nameof(MklFunctions.MKL_Set_Threading_Layer) => (nint)(delegate* unmanaged<int, int>)&SetThreading,
                nameof(MklFunctions.MKL_Set_Interface_Layer) => (nint)(delegate* unmanaged<int, int>)&SetInterface,
                nameof(MklFunctions.MKL_Set_Num_Threads_Local) => (nint)(delegate* unmanaged<int, int>)&SetThreads,
                nameof(MklFunctions.MKL_Get_Version) => (nint)(delegate* unmanaged<MklFunctions.MKLVersion*, void>)&GetVersion,
                nameof(MklFunctions.cblas_sgemm) =>
                    (nint)(delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void>)&Sgemm,
                _ => (nint)(delegate* unmanaged<int, int>)&Succeed,
            };
            return true;
        }
    }
}
