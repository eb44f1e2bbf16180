using System.Collections.Concurrent;
using System.Diagnostics;
using NativeFfn.Backends.Cpu.Gemm.Sgemm;

namespace NativeFfn.Backends.Cpu.Gemm.Autotuning;

/// <summary>Up to how many tokens the panel kernels beat a library's product, by measurement on this machine.</summary>
internal sealed class Crossover
{
    /// <summary>Tokens that are measured at most: what is run at a time.</summary>
    public const int MostTokens = LibraryGemm.MostTokensAtATime;

    // The library must win by this much, and at two token counts in a row: noise should not flip the choice.
    private const double Margin = 1.03;

    private const int Repetitions = 3;

    private static readonly int[] Ladder = [1, 2, 4, 8, 16, 32, 64, 128, 256, MostTokens];

    private readonly Func<FfnStage, IGemmTrial> _prepare;
    private readonly CrossoverFile _file;
    private readonly ConcurrentDictionary<(int InputWidth, int Width), int> _known = new();

    /// <summary>The crossover to a library.</summary>
    /// <param name="prepare">Makes a trial on a stage.</param>
    /// <param name="key">What the measurements depend on.</param>
    public Crossover(Func<FfnStage, IGemmTrial> prepare, string key)
    {
        _prepare = prepare;
        _file = new CrossoverFile(key);
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
        using IGemmTrial trial = _prepare(stage);
        int best = 0;
        int lost = 0;
        foreach (int tokens in Ladder)
        {
            (double library, double panels) = Time(trial, tokens);
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
    private static (double Library, double Panels) Time(IGemmTrial trial, int tokens)
    {
        double library = double.MaxValue;
        double panels = double.MaxValue;
        for (int i = 0; i <= Repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            trial.RunLibrary(tokens);
            library = Math.Min(library, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            start = Stopwatch.GetTimestamp();
            trial.RunPanels(tokens);
            panels = Math.Min(panels, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        return (library, panels);
    }
}
