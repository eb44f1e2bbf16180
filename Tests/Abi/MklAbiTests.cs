using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeFfn.Bindings.Mkl;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Abi;

/// <summary>Bindings against the real library, and what can be said of them without it.</summary>
public sealed class MklAbiTests
{
    [Test]
    public void The_version_structure_has_the_size_of_mkl_types_h() =>
        Assert.That(Unsafe.SizeOf<MklFunctions.MKLVersion>(), Is.EqualTo(48));

    [Test]
    [Category("Mkl")]
    public void Every_declared_function_is_in_the_library()
    {
        nint library = NativeLibrary.Load(MklUnderTest.Load().Path);
        string[] declared = [.. FunctionTableTests.FunctionsOf(typeof(MklFunctions)).Select(static field => field.Name)];
        Assert.Multiple(() =>
        {
            Assert.That(declared, Has.Length.EqualTo(7));
            foreach (string name in declared)
            {
                Assert.That(NativeLibrary.TryGetExport(library, name, out _), Is.True, name);
            }
        });
    }

    [Test]
    [Category("Mkl")]
    public void Loading_again_gives_the_same_library_and_another_path_is_refused()
    {
        MklLibrary library = MklUnderTest.Load();
        Assert.Multiple(() =>
        {
            Assert.That(MklLibrary.Load(null), Is.SameAs(library));
            Assert.That(MklLibrary.Load(library.Path), Is.SameAs(library));
            Assert.That(MklLibrary.Load(Path.GetDirectoryName(library.Path)), Is.SameAs(library));
            Assert.That(() => MklLibrary.Load("/elsewhere/libmkl_rt.so"), Throws.TypeOf<Bindings.NativeLibraryException>());
            Assert.That(library.Version, Does.Match(@"^20\d\d\."));
        });
    }

    [Test]
    [Category("Mkl")]
    public unsafe void Sgemm_is_exact_on_small_integers([Values(1, 3, 17)] int m, [Values(1, 5, 64)] int n, [Values(1, 7, 33)] int k)
    {
        float[] a = RandomLayers.IntegerRows(m, k, seed: n, largest: 4);
        float[] b = RandomLayers.IntegerRows(n, k, seed: m + 100, largest: 4);
        float[] expected = new float[m * n];
        for (int i = 0; i < expected.Length; i++)
        {
            expected[i] = Enumerable.Range(0, k).Sum(l => (int)a[(i / n * k) + l] * (int)b[(i % n * k) + l]);
        }

        float[] actual = new float[m * n];
        actual.AsSpan().Fill(float.NaN);
        fixed (float* left = a, right = b, product = actual)
        {
            MklSgemm.Multiply(MklUnderTest.Load(), m, n, k, left, k, right, k, transposed: true, product, n, accumulate: false);
        }

        Assert.That(actual, Is.EqualTo(expected));
    }

    [Test]
    [Category("Mkl")]
    public unsafe void Arguments_are_proven_before_they_cross()
    {
        MklLibrary library = MklUnderTest.Load();
        float* none = null;
        Assert.Multiple(() =>
        {
            Refused(static library => MklSgemm.Multiply(library, 2, 2, 4, null, 3, null, 4, transposed: true, null, 2, false));
            Refused(static library => MklSgemm.Multiply(library, 2, 2, 4, null, 4, null, 3, transposed: true, null, 2, false));
            Refused(static library => MklSgemm.Multiply(library, 2, 2, 4, null, 4, null, 4, transposed: true, null, 1, false));
            Refused(static library => MklSgemm.Multiply(library, -1, 2, 4, null, 4, null, 4, transposed: true, null, 2, false));
            Refused(static library => MklSgemm.Multiply(library, 2, 2, 0, null, 4, null, 4, transposed: true, null, 2, false));
            Refused(static library => MklSgemm.Multiply(library, 3, 2, 4, null, int.MaxValue / 2, null, 4, transposed: true, null, 2, false));
            Refused(static library => MklSgemm.Multiply(library, 2, 2, 4, null, long.MaxValue / 8, null, 4, transposed: true, null, 2, false));
        });

        // No rows or no columns: nothing crosses, so nothing is read.
        MklSgemm.Multiply(library, 0, 2, 4, none, 4, none, 4, transposed: true, none, 2, accumulate: false);
        MklSgemm.Multiply(library, 2, 0, 4, none, 4, none, 4, transposed: true, none, 2, accumulate: false);

        void Refused(Action<MklLibrary> call) => Assert.That(() => call(library), Throws.TypeOf<ArgumentOutOfRangeException>());
    }
}
