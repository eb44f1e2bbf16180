using System.Collections.Concurrent;
using System.Diagnostics;
using NativeFfn.Backends.Cpu.Memory;

namespace NativeFfn.Backends.Cpu.Calibration;

/// <summary>Up to how many tokens the skinny kernels beat a library's product, by measurement on this machine.</summary>
internal sealed unsafe class SwitchPoints
{
    // Rows of a projection that are measured: enough that weights come from memory as in a layer, few enough to be done in a moment.
    private const int MeasuredRows = 512;

    // The library must win by this much, and at two token counts in a row: noise should not flip the choice.
    private const double Margin = 1.03;

    private const int Repetitions = 3;

    // Beyond the last one a product is no longer skinny, and the library's is the one that was asked for.
    private static readonly int[] Ladder = [1, 2, 4, 8, 16, 32, 64, 128];

    private readonly IMatrixProduct _library;
    private readonly IMatrixProduct _skinny;
    private readonly SwitchPointFile _file;
    private readonly ConcurrentDictionary<(int InputWidth, int Width), int> _known = new();

    /// <summary>Switch points between two products.</summary>
    /// <param name="library">The library's product.</param>
    /// <param name="skinny">The product for few tokens.</param>
    /// <param name="key">What the measurements depend on.</param>
    public SwitchPoints(IMatrixProduct library, IMatrixProduct skinny, string key)
    {
        _library = library;
        _skinny = skinny;
        _file = new SwitchPointFile(key);
    }

    /// <summary>The most tokens for which a stage should use the skinny kernels; 0 for never.</summary>
    public int Of(FfnStage stage) => _known.GetOrAdd((stage.InputWidth, stage.Width), shape =>
    {
        if (_file.Read(shape.InputWidth, shape.Width) is { } kept)
        {
            return kept;
        }

        int measured = Measure(shape.InputWidth, Math.Min(shape.Width, MeasuredRows));
        _file.Add(shape.InputWidth, shape.Width, measured);
        return measured;
    });

    private int Measure(int k, int n)
    {
        int most = Ladder[^1];
        long stride = CpuWeights.StrideOf(n, k);
        using var memory = new NativeBuffer((n * stride) + ((long)most * k) + ((long)most * n), "The operands of a calibration");

        // Times do not depend on the values, as long as they are ordinary numbers.
        new Span<float>(memory.Pointer, checked((int)memory.Elements)).Fill(0.5f);
        float* weights = memory.Pointer;
        float* input = weights + (n * stride);
        float* output = input + ((long)most * k);
        int best = 0;
        int lost = 0;
        foreach (int m in Ladder)
        {
            (double library, double skinny) = Race(m, n, k, input, weights, stride, output);
            if (skinny <= library * Margin)
            {
                (best, lost) = (m, 0);
            }
            else if (++lost == 2)
            {
                break;
            }
        }

        return best;
    }

    // In turns, so that the noise of a busy machine falls on both; the fastest run is the least disturbed one.
    private (double Library, double Skinny) Race(int m, int n, int k, float* input, float* weights, long stride, float* output)
    {
        double library = double.MaxValue;
        double skinny = double.MaxValue;
        for (int i = 0; i <= Repetitions; i++)
        {
            library = Math.Min(library, Time(_library));
            skinny = Math.Min(skinny, Time(_skinny));
        }

        return (library, skinny);

        double Time(IMatrixProduct product)
        {
            long start = Stopwatch.GetTimestamp();
            product.Multiply(m, n, k, input, k, weights, stride, output, n, accumulate: false);
            return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
    }
}
