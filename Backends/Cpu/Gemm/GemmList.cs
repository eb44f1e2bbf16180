using System.Collections.Immutable;
using NativeFfn.Backends.Cpu.Gemm.Autotuning;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Cpu.Gemm.Mkl;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Cpu.Gemm;

/// <summary>The GEMMs of an engine, in order, and the choice among them for a network.</summary>
internal sealed class GemmList
{
    private readonly ImmutableArray<IGemm> _usable;
    private readonly Crossover? _crossover;

    /// <summary>The GEMMs that can multiply weights of an encoding.</summary>
    /// <param name="encoding">How matrices are kept.</param>
    /// <param name="kernel">What the options ask for.</param>
    /// <param name="library">A library's product; null where there is none.</param>
    /// <param name="key">What measurements of the library depend on.</param>
    /// <exception cref="NotSupportedException">None can; the message has every one's reason.</exception>
    public GemmList(WeightEncoding encoding, CpuKernel kernel = CpuKernel.Auto, IMatrixProduct? library = null, string key = "")
    {
        Encoding = encoding;
        PanelKernel panels = PanelKernel.Of(encoding);
        var layout = new PanelLayout(panels);
        ImmutableArray<IGemm> all =
        [
            new PanelGemm(panels, layout),
            new LibraryRowGemm(library),
            new LibraryPanelGemm(library, panels, layout),
        ];
        var problem = new GemmProblem(encoding, kernel);
        _usable = [.. all.Where(gemm => gemm.WhyNot(problem) is null)];
        if (_usable.IsEmpty)
        {
            throw new NotSupportedException(
                $"Nothing multiplies {encoding}: {string.Join(' ', all.Select(gemm => $"{gemm.Name}: {gemm.WhyNot(problem)}"))}");
        }

        if (_usable.Length > 1 && _usable[0].Layout == _usable[^1].Layout)
        {
            _crossover = new Crossover(stage => new GemmTrial(stage, panels, library!), $"{key}, {encoding}, panels of {panels.Rows}");
        }
    }

    /// <summary>How matrices are kept.</summary>
    public WeightEncoding Encoding { get; }

    /// <summary>How weights lie, whichever GEMM multiplies them.</summary>
    public IWeightLayout Layout => _usable[0].Layout;

    /// <summary>Chooses for a network; may take a moment to measure.</summary>
    /// <remarks>
    /// The first that can multiply decides how weights lie; where a second one reads the same, the largest stage is measured with both and
    /// decides for all, so that rows pass from stage to stage in one form.
    /// </remarks>
    public GemmChoice Choose(ImmutableArray<FfnStage> stages) => _crossover is null
        ? new GemmChoice(_usable[0], _usable[0], int.MaxValue)
        : new GemmChoice(_usable[0], _usable[^1], _crossover.Of(stages.MaxBy(static stage => (long)stage.InputWidth * stage.Width)));
}

/// <summary>The GEMMs of a network.</summary>
/// <param name="Few">For few tokens.</param>
/// <param name="Many">For more.</param>
/// <param name="MostFew">The most tokens of a forward that are few.</param>
internal sealed record GemmChoice(IGemm Few, IGemm Many, int MostFew)
{
    /// <summary>The GEMM for a number of tokens.</summary>
    public IGemm For(int tokens) => Math.Min(tokens, Crossover.MostTokens) <= MostFew ? Few : Many;
}
