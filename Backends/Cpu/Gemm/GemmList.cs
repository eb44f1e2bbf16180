using System.Collections.Concurrent;
using System.Collections.Immutable;
using NativeFfn.Backends.Cpu.Gemm.Autotuning;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Cpu.Gemm.Sgemm;
using NativeFfn.Backends.Cpu.Weights;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Cpu.Gemm;

/// <summary>The GEMMs of an engine, in order, and the choice among them for a network.</summary>
/// <param name="precision">How matrices are kept.</param>
/// <param name="kernel">What the options ask for.</param>
/// <param name="library">A library's product; null where there is none.</param>
/// <param name="key">What measurements of the library depend on.</param>
internal sealed class GemmList(FfnPrecision precision, CpuKernel kernel = CpuKernel.Auto, IMatrixProduct? library = null, string key = "")
{
    private readonly ConcurrentDictionary<string, Crossover> _crossovers = new();

    private readonly ImmutableArray<IGemm> _all =
    [
        new PanelGemm(),
        new LibraryRowGemm(library),
        new LibraryPanelGemm(library),
    ];

    /// <summary>How a matrix of a source is kept.</summary>
    public WeightEncoding EncodingOf(IFfnWeightSource source, FfnTensor tensor) => WeightEncodings.Choose(precision, source, tensor);

    /// <summary>What tokens are while they are multiplied with weights that take such.</summary>
    public TokenType Tokens { get; } = TokenTypes.Of(precision);

    /// <summary>What the panels of each precision are multiplied with on this machine.</summary>
    public static ImmutableArray<KernelDescription> DescribeKernels() =>
    [
        .. from precision in Enum.GetValues<FfnPrecision>()
           let encoding = WeightEncodings.Of(precision)
           where encoding is not null
           select AssembledPanelKernel.Describe(precision, encoding),
    ];

    /// <summary>How a network's weights lie, whichever GEMM multiplies them.</summary>
    /// <exception cref="NotSupportedException">None can; the message has every one's reason.</exception>
    public IWeightLayout LayoutOf(ReadOnlySpan<StageWeights> stages) => Usable(stages)[0].Layout;

    /// <summary>Chooses for a network whose weights are in memory; may take a moment to measure.</summary>
    /// <remarks>
    /// The first that can multiply decides how weights lie; where a second one reads the same, the largest stage is measured with both and
    /// decides for all, so that rows pass from stage to stage in one form.
    /// </remarks>
    public GemmChoice Choose(ReadOnlySpan<StageWeights> stages)
    {
        ImmutableArray<IGemm> usable = Usable(stages);
        if (usable.Length == 1 || usable[0].Layout != usable[^1].Layout)
        {
            return new GemmChoice(usable[0], usable[0], int.MaxValue);
        }

        StageWeights largest = stages.ToArray().MaxBy(static stage => (long)stage.Shape.InputWidth * stage.Shape.Width)!;
        PanelKernel panels = largest.KernelOf(0);
        Crossover crossover = _crossovers.GetOrAdd(
            panels.Encoding.Name,
            _ => new Crossover(stage => new GemmTrial(stage, panels, library!), $"{key}, {panels.Encoding}{(panels.Form.IsFloat ? "" : $" by {Tokens}")}, panels of {panels.Rows}{(panels.Instruction is { } instruction ? $" by {instruction}" : "")}"));
        return new GemmChoice(usable[0], usable[^1], crossover.Of(largest.Shape));
    }

    private ImmutableArray<IGemm> Usable(ReadOnlySpan<StageWeights> stages)
    {
        ImmutableArray<WeightEncoding> encodings = [.. stages.ToArray().SelectMany(static stage => stage.Encodings).Distinct()];
        var problem = new GemmProblem(encodings, kernel);
        ImmutableArray<IGemm> usable = [.. _all.Where(gemm => gemm.WhyNot(problem) is null)];
        return usable.IsEmpty
            ? throw new NotSupportedException(
                $"Nothing multiplies {string.Join(" and ", encodings)}: "
                + string.Join(' ', _all.Select(gemm => $"{gemm.Name}: {gemm.WhyNot(problem)}")))
            : usable;
    }
}

/// <summary>The GEMMs of a network.</summary>
/// <param name="Few">For few tokens.</param>
/// <param name="Many">For more.</param>
/// <param name="MostFew">The most tokens of a forward that are few.</param>
internal sealed record GemmChoice(IGemm Few, IGemm Many, int MostFew)
{
    /// <summary>Which multiplies how many tokens, such as <c>panels to 48 tokens, sgemm on widened panels beyond</c>.</summary>
    public override string ToString() =>
        Few == Many || MostFew >= Crossover.MostTokens ? Few.Name
        : MostFew == 0 ? Many.Name
        : $"{Few.Name} to {MostFew} {(MostFew == 1 ? "token" : "tokens")}, {Many.Name} beyond";

    /// <summary>The GEMM for a number of tokens.</summary>
    public IGemm For(int tokens) => Math.Min(tokens, Crossover.MostTokens) <= MostFew ? Few : Many;
}
