using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NUnit.Framework;
using NativeFfn.Bindings.Mkl;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Abi;

/// <summary>Bindings against the real library, and what can be said of them without it.</summary>
public sealed class MklAbiTests
{
    [Test]
    public void The_version_structure_has_the_size_of_mkl_types_h() =>
        Assert.That(Unsafe.SizeOf<MklService.MKLVersion>(), Is.EqualTo(48));

    [Test]
    [Category("Mkl")]
    public void Every_declared_function_is_in_the_library()
    {
        nint library = NativeLibrary.Load(MklUnderTest.Load().Path);
        string[] declared =
        [
            .. typeof(Cblas).GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly)
                .Concat(typeof(MklService).GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly))
                .Select(static method => method.Name),
        ];
        Assert.Multiple(() =>
        {
            Assert.That(declared, Has.Length.GreaterThan(5));
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
    public void Sgemm_and_its_packed_form_are_exact_on_small_integers([Values(1, 3, 17)] int m, [Values(1, 5, 64)] int n, [Values(1, 7, 33)] int k)
    {
        MklLibrary library = MklUnderTest.Load();
        (float[] a, float[] b, float[] expected) = IntegerProduct(m, n, k);
        var plain = new float[m * n];
        var packed = new float[m * n];
        plain.AsSpan().Fill(float.NaN);
        unsafe
        {
            fixed (float* left = a, right = b, product = plain)
            {
                MklSgemm.Multiply(library, m, n, k, left, k, right, k, transposed: true, product, n, accumulate: false);
            }
        }

        using (var matrix = new MklPackedMatrix(library, m, n, k, b))
        {
            matrix.Multiply(a, packed);
        }

        Assert.Multiple(() =>
        {
            Assert.That(plain, Is.EqualTo(expected));
            Assert.That(packed, Is.EqualTo(expected));
        });
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

    [Test]
    [Category("Mkl")]
    public void A_packed_matrix_refuses_wrong_lengths_and_use_after_disposal()
    {
        MklLibrary library = MklUnderTest.Load();
        var matrix = new MklPackedMatrix(library, 2, 3, 4, new float[12]);
        Assert.Multiple(() =>
        {
            Assert.That(() => new MklPackedMatrix(library, 2, 3, 4, new float[11]), Throws.ArgumentException);
            Assert.That(() => matrix.Multiply(new float[7], new float[6]), Throws.ArgumentException);
            Assert.That(() => matrix.Multiply(new float[8], new float[5]), Throws.ArgumentException);
        });
        matrix.Dispose();
        Assert.That(() => matrix.Multiply(new float[8], new float[6]), Throws.TypeOf<ObjectDisposedException>());
    }

    private static (float[] A, float[] B, float[] Expected) IntegerProduct(int m, int n, int k)
    {
        var random = new Random((m * 10007) + (n * 101) + k);
        float[] a = [.. Enumerable.Range(0, m * k).Select(_ => (float)random.Next(-4, 5))];
        float[] b = [.. Enumerable.Range(0, n * k).Select(_ => (float)random.Next(-4, 5))];
        var expected = new float[m * n];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                expected[(i * n) + j] = Enumerable.Range(0, k).Sum(l => (int)a[(i * k) + l] * (int)b[(j * k) + l]);
            }
        }

        return (a, b, expected);
    }
}
