using System.Globalization;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>A layer's matrices are in memory once, in the engine's precision, and come in pieces.</summary>
public class WeightMemoryTests : CpuPrecisionTests
{
    // What a layer may take beside its matrices: whole cache lines for each tensor, and the rows that fill a panel.
    private const int MostRowsOfPanel = 32;

    // Pages that the test process itself touches meanwhile.
    private const long Rest = 24_000_000;

    public WeightMemoryTests(BackendKind backend, FfnPrecision precision)
        : base(backend, precision)
    {
    }

    private double BytesOfWeight => Precision switch
    {
        FfnPrecision.Float32 => 4,
        FfnPrecision.Int8 => 1.125,
        FfnPrecision.Float8 => 1,
        _ => 2,
    };

    [Test]
    public void Whole_panels_take_the_bytes_of_their_weights_and_no_more()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 256, 704);
        using FfnLayer layer = Engine(1).CreateLayer(spec, new CountingSource());

        // A row's scale stands at the head of each 512 columns.
        int scales = Precision == FfnPrecision.Float8 ? sizeof(float) * ((2 * 704) + (2 * 256)) : 0;
        Assert.That(layer.WeightBytes, Is.EqualTo((long)(3 * 256 * 704 * BytesOfWeight) + scales));
        Assert.That(layer.Engine.Precision, Is.EqualTo(Precision));
    }

    [TestCase(1, 1)]
    [TestCase(33, 31)]
    [TestCase(100, 273)]
    public void Odd_sizes_are_filled_up_to_whole_groups_at_most(int dModel, int dFf)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, dModel, dFf, bias: true);
        using FfnLayer layer = Engine(1).CreateLayer(spec, new CountingSource());
        double least = BytesOfWeight * 3 * dModel * dFf;
        double most = 0;
        foreach (FfnTensor tensor in spec.Tensors)
        {
            most += 64 + (tensor.IsVector
                ? tensor.Columns * sizeof(float)
                : (tensor.Rows + MostRowsOfPanel - 1) * ((BytesOfWeight * (tensor.Columns + StoredWeights.GroupWeights - 1)) + sizeof(float)));
        }

        Assert.That(layer.WeightBytes, Is.InRange((long)least, (long)most));
    }

    [Test]
    public void Every_weight_is_read_once_and_no_copy_stays()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("What a process holds is read from Linux's /proc.");
        }

        const int DModel = 1024;
        const int DFf = 8192;
        FfnSpec spec = FfnSpec.Create(FfnKind.Relu, DModel, DFf);
        var source = new CountingSource();
        long before = HeldBytes();
        using FfnLayer layer = Engine(2).CreateLayer(spec, source);
        long grown = HeldBytes() - before;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(source.Elements, Is.EqualTo(2L * DModel * DFf));
            Assert.That(grown, Is.LessThan((1.1 * layer.WeightBytes) + Rest));
            Assert.That(layer.WeightBytes, Is.LessThan(1.02 * BytesOfWeight * 2 * DModel * DFf));
            if (Precision != FfnPrecision.Float32)
            {
                Assert.That(source.MostElements, Is.LessThanOrEqualTo(MostRowsOfPanel * DFf), "elements asked for at a time");
            }
        }
    }

    private static long HeldBytes()
    {
        GC.Collect();
        string line = File.ReadLines("/proc/self/status").First(static line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return 1024 * long.Parse(line["VmRSS:".Length..].Replace("kB", string.Empty, StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture);
    }

    /// <summary>Makes weights up as they are asked for.</summary>
    private sealed class CountingSource : IFfnWeightSource
    {
        public long Elements { get; private set; }

        public int MostElements { get; private set; }

        public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination)
        {
            Elements += destination.Length;
            MostElements = Math.Max(MostElements, destination.Length);
            for (int i = 0; i < destination.Length; i++)
            {
                destination[i] = ((i * 7) + firstRow) % 13;
            }
        }
    }
}
