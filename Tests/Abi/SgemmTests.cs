using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Abi;

/// <summary>The product of every library, through the gate that proves its arguments.</summary>
[TestFixture("mkl", Category = "Mkl")]
[TestFixture("openblas", Category = "Cblas")]
[TestFixture("blis", Category = "Cblas")]
public sealed unsafe class SgemmTests(string library)
{
    private Product _multiply = null!;

    private delegate void Product(
        int m, int n, int k, float* a, long lda, float* b, long ldb, bool transposed, float* c, long ldc, bool accumulate);

    [OneTimeSetUp]
    public void Load() => _multiply = library == "mkl" ? MklUnderTest.Load().Multiply : CblasUnderTest.Load(library).Multiply;

    [Test]
    public void Sgemm_is_exact_on_small_integers(
        [Values(1, 3, 17)] int m, [Values(1, 5, 64)] int n, [Values(1, 7, 33)] int k, [Values] bool transposed, [Values] bool accumulate)
    {
        float[] a = RandomLayers.IntegerRows(m, k, seed: n, largest: 4);
        float[] b = RandomLayers.IntegerRows(n, k, seed: m + 100, largest: 4);
        float[] before = RandomLayers.IntegerRows(m, n, seed: k + 200, largest: 4);
        float[] expected = new float[m * n];
        for (int i = 0; i < expected.Length; i++)
        {
            int product = Enumerable.Range(0, k).Sum(
                l => (int)a[(i / n * k) + l] * (int)(transposed ? b[(i % n * k) + l] : b[(l * n) + (i % n)]));
            expected[i] = product + (accumulate ? before[i] : 0);
        }

        // What was there is not read unless it is added to.
        float[] actual = accumulate ? before : [.. Enumerable.Repeat(float.NaN, m * n)];
        fixed (float* left = a, right = b, product = actual)
        {
            _multiply(m, n, k, left, k, right, transposed ? k : n, transposed, product, n, accumulate);
        }

        Assert.That(actual, Is.EqualTo(expected));
    }

    [Test]
    public void Products_of_many_threads_at_once_do_not_meet()
    {
        const int size = 48;
        float[] a = RandomLayers.IntegerRows(size, size, seed: 1, largest: 4);
        float[] b = RandomLayers.IntegerRows(size, size, seed: 2, largest: 4);
        float[] expected = Multiply(a, b, size);
        Parallel.For(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 16 }, _ => Assert.That(Multiply(a, b, size), Is.EqualTo(expected)));
    }

    [Test]
    public void Arguments_are_proven_before_they_cross()
    {
        Assert.Multiple(() =>
        {
            Refused(2, 2, 4, 3, 4, 2);
            Refused(2, 2, 4, 4, 3, 2);
            Refused(2, 2, 4, 4, 4, 1);
            Refused(-1, 2, 4, 4, 4, 2);
            Refused(2, 2, 0, 4, 4, 2);
            Refused(3, 2, 4, int.MaxValue / 2, 4, 2);
            Refused(2, 2, 4, long.MaxValue / 8, 4, 2);
        });

        // No rows or no columns: nothing crosses, so nothing is read.
        _multiply(0, 2, 4, null, 4, null, 4, transposed: true, null, 2, accumulate: false);
        _multiply(2, 0, 4, null, 4, null, 4, transposed: true, null, 2, accumulate: false);

        void Refused(int m, int n, int k, long lda, long ldb, long ldc) => Assert.That(
            () => _multiply(m, n, k, null, lda, null, ldb, true, null, ldc, false), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    private float[] Multiply(float[] a, float[] b, int size)
    {
        float[] c = new float[size * size];
        fixed (float* left = a, right = b, product = c)
        {
            _multiply(size, size, size, left, size, right, size, transposed: true, product, size, accumulate: false);
        }

        return c;
    }
}
