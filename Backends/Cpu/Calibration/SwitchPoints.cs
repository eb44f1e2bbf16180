using System.Collections.Concurrent;
using System.Diagnostics;

namespace NativeFfn.Backends.Cpu.Calibration;

/// <summary>Up to how many tokens the panel kernels beat a library's product, by measurement on this machine.</summary>
internal sealed class SwitchPoints
{
    /// <summary>Tokens that are measured at most: what is run at a time.</summary>
    public const int MostTokens = CpuScratch.MaxChunkTokens;

    // The library must win by this much, and at two token counts in a row: noise should not flip the choice.
    private const double Margin = 1.03;

    private const int Repetitions = 3;

    private static readonly int[] Ladder = [1, 2, 4, 8, 16, 32, 64, 128, 256, MostTokens];

    private readonly Func<FfnStage, IProductRace> _prepare;
    private readonly SwitchPointFile _file;
    private readonly ConcurrentDictionary<(int InputWidth, int Width), int> _known = new();

    /// <summary>Switch points of a library.</summary>
    /// <param name="prepare">Makes a race on a stage.</param>
    /// <param name="key">What the measurements depend on.</param>
    public SwitchPoints(Func<FfnStage, IProductRace> prepare, string key)
    {
        _prepare = prepare;
        _file = new SwitchPointFile(key);
    }

    /// <summary>The most tokens for which a stage should use the panel kernels; 0 for never.</summary>
    public int Of(FfnStage stage) => _known.GetOrAdd((stage.InputWidth, stage.Width), shape =>
    {
        if (_file.Read(shape.InputWidth, shape.Width) is { } kept)
        {
            return kept;
        }

        int measured = Measure(stage);
        _file.Add(shape.InputWidth, shape.Width, measured);
        return measured;
    });

    private int Measure(FfnStage stage)
    {
        using IProductRace race = _prepare(stage);
        int best = 0;
        int lost = 0;
        foreach (int tokens in Ladder)
        {
            (double library, double panels) = Race(race, tokens);
            if (panels <= library * Margin)
            {
                (best, lost) = (tokens, 0);
            }
            else if (++lost == 2)
            {
                break;
            }
        }

        return best;
    }

    // In turns, so that the noise of a busy machine falls on both; the fastest run is the least disturbed one.
    private static (double Library, double Panels) Race(IProductRace race, int tokens)
    {
        double library = double.MaxValue;
        double panels = double.MaxValue;
        for (int i = 0; i <= Repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            race.RunLibrary(tokens);
            library = Math.Min(library, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            start = Stopwatch.GetTimestamp();
            race.RunPanels(tokens);
            panels = Math.Min(panels, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        return (library, panels);
    }
}
