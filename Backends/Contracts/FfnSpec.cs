using System.Collections.Frozen;
using System.Collections.Immutable;

namespace NativeFfn;

/// <summary>The shape and formula of a feed-forward layer, without its weights. Immutable.</summary>
/// <remarks>
/// A layer is a chain of stages applied to every token's row alone. The feed-forward network of a transformer has two: the gated
/// <c>W_down · (act(W_gate · x) ⊙ (W_up · x))</c> or the plain <c>W2 · act(W1 · x + b1) + b2</c>. <see cref="Stack"/> makes chains of any
/// depth and width. Dropout is the identity at inference, so no spec has a rate for it.
/// </remarks>
/// <example>
/// <code>
/// FfnSpec mlp = FfnSpec.Stack(
///     new FfnStage(FfnKind.Relu, InputWidth: 784, Width: 256, HasBias: true),
///     new FfnStage(FfnKind.Relu, InputWidth: 256, Width: 128, HasBias: true),
///     new FfnStage(FfnKind.Linear, InputWidth: 128, Width: 10, HasBias: true));
/// using FfnEngine engine = FfnEngine.Create();
/// using FfnLayer network = engine.CreateLayer(mlp, new XavierWeights(mlp, seed: 1));
/// float[] logits = new float[x.Length / 784 * 10];
/// network.Forward(x, logits);
/// </code>
/// </example>
public sealed class FfnSpec
{
    /// <summary>The most elements one matrix may have: 32-bit BLAS interfaces index with signed integers.</summary>
    public const int MaxMatrixElements = int.MaxValue;

    /// <summary>The most stages a stack may have; a bound so that no file can ask for more than is sensible.</summary>
    public const int MaxStages = 1024;

    private readonly Formula _formula;
    private readonly FrozenDictionary<TensorKey, FfnTensor> _tensors;

    private FfnSpec(Formula formula)
    {
        _formula = formula;
        Tensors = [.. FfnTensorList.Of(this)];
        _tensors = Tensors.ToFrozenDictionary(static tensor => tensor.Key);
        ParameterCount = Tensors.Sum(static tensor => tensor.ElementCount);
    }

    /// <summary>The stages in the order in which they run; each one's width is the next one's input width. Those of one expert in a mixture.</summary>
    public ImmutableArray<FfnStage> Stages => _formula.Stages;

    /// <summary>How tokens are routed to experts; null where all go through one network.</summary>
    public MixtureSpec? Mixture => _formula.Mixture;

    /// <summary>The norm before the first stage, used in <see cref="FfnMode.Block"/>.</summary>
    public NormSpec? PreNorm => _formula.PreNorm;

    /// <summary>The norm on the last stage's result before the residual is added (Gemma 2), used in <see cref="FfnMode.Block"/>.</summary>
    public NormSpec? BranchNorm => _formula.BranchNorm;

    /// <summary>The norm after the residual was added (BERT), used in <see cref="FfnMode.Block"/>.</summary>
    public NormSpec? PostNorm => _formula.PostNorm;

    /// <summary>The norm on the hidden row, before the last stage, used in every mode (BitNet).</summary>
    public NormSpec? InnerNorm => _formula.InnerNorm;

    /// <summary>How <see cref="FfnMode.Block"/> joins the network to the residual stream.</summary>
    public BlockForm BlockForm => _formula.BlockForm;

    /// <summary>What the network's result is multiplied with, in every mode.</summary>
    public float OutputFactor => _formula.OutputFactor;

    /// <summary>Why <see cref="FfnMode.Block"/> is refused, such as a norm that a checkpoint does not have; null where it is not.</summary>
    public string? WhyNoBlock => _formula.WhyNoBlock;

    /// <summary>
    /// What <see cref="FfnMode.Block"/> computes, as in <c>x + F(norm(x))</c> with the norm's name and ε: F is the network, x a token's row; null where
    /// it is refused.
    /// </summary>
    public string? BlockFormula => Modes.Contains(FfnMode.Block) ? BlockText.Of(this) : null;

    /// <summary>Every tensor that the layer's weights consist of, stages first, then what a block has beside them.</summary>
    public ImmutableArray<FfnTensor> Tensors { get; }

    /// <summary>Elements of a token's input row: d_model in a transformer.</summary>
    public int InputWidth => Stages[0].InputWidth;

    /// <summary>Elements of a token's output row: d_model in a transformer.</summary>
    public int OutputWidth => Stages[^1].Width;

    /// <summary>d_model: the width of the residual stream, <see cref="InputWidth"/>.</summary>
    public int DModel => InputWidth;

    /// <summary>d_ff: the width of the first hidden row.</summary>
    public int DFf => Stages[0].Width;

    /// <summary>The first stage's kind, by which the layer is called.</summary>
    public FfnKind Kind => Stages[0].Kind;

    /// <summary>Whether the layer is a transformer's two-stage network, whose tensors are called gate, up and down.</summary>
    public bool IsFeedForward =>
        Stages.Length == 2 && Stages[1].Kind == FfnKind.Linear && Stages[1].Width == Stages[0].InputWidth;

    /// <summary>Learned numbers: weights, biases and norms.</summary>
    public long ParameterCount { get; }

    /// <summary>Floating-point operations of the projections for one token, a multiply-add counted as two; in a mixture those of the chosen experts.</summary>
    public long FlopsPerToken
    {
        get
        {
            if (Mixture is { } mixture)
            {
                long shared = ExpertSpec(FfnTensor.SharedExpert)?.FlopsPerToken ?? 0;
                return (mixture.TopK * ExpertSpec(0)!.FlopsPerToken) + shared + (2L * InputWidth * mixture.Experts);
            }

            long flops = 0;
            foreach (FfnStage stage in Stages)
            {
                flops += 2L * stage.ProjectionCount * stage.InputWidth * stage.Width;
            }

            return flops;
        }
    }

    /// <summary>Whether <see cref="FfnMode.Block"/> and <see cref="FfnMode.Residual"/> make sense: the row goes out as wide as it came in.</summary>
    public bool KeepsWidth => InputWidth == OutputWidth;

    /// <summary>The modes that a row can be asked for by itself, being its own residual.</summary>
    public IEnumerable<FfnMode> Modes =>
        Enum.GetValues<FfnMode>().Where(mode => mode == FfnMode.Ffn || (KeepsWidth && (mode != FfnMode.Block || WhyNoBlock is null)));

    /// <summary>Whether any norm of the block is set; without one, and with a plain <see cref="BlockForm"/>, it equals <see cref="FfnMode.Residual"/>.</summary>
    public bool HasNorms => PreNorm is not null || BranchNorm is not null || PostNorm is not null;

    /// <summary>A transformer's feed-forward network: one stage of the given kind from d_model to d_ff, a linear one back.</summary>
    /// <param name="kind">Plain or gated, and the activation.</param>
    /// <param name="dModel">d_model, in elements; positive.</param>
    /// <param name="dFf">d_ff, in elements; positive.</param>
    /// <param name="bias">Whether every projection has a bias.</param>
    /// <exception cref="ArgumentOutOfRangeException">A width is not positive, or a matrix has more than <see cref="MaxMatrixElements"/>.</exception>
    public static FfnSpec Create(FfnKind kind, int dModel, int dFf, bool bias = false)
    {
        ImmutableArray<FfnStage> stages = [new(kind, dModel, dFf, bias), new(FfnKind.Linear, dFf, dModel, bias)];
        ValidateStages(stages);
        return new FfnSpec(new Formula(stages));
    }

    /// <summary>A chain of stages of any depth and width: a multilayer perceptron with any number of hidden layers.</summary>
    /// <param name="stages">At least one stage; each one's input width is the width of the one before it.</param>
    /// <exception cref="ArgumentException">There is no stage, there are too many, or two neighbours do not fit.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A width is not positive, or a matrix has more than <see cref="MaxMatrixElements"/>.</exception>
    public static FfnSpec Stack(params ReadOnlySpan<FfnStage> stages)
    {
        ImmutableArray<FfnStage> chain = [.. stages];
        ValidateStages(chain);
        return new FfnSpec(new Formula(chain));
    }

    /// <summary>A mixture of experts, each of which is a network like this layer, with a router in front.</summary>
    /// <param name="mixture">How tokens are routed.</param>
    /// <exception cref="ArgumentException">The mixture contradicts itself, or this layer is no single transformer's network.</exception>
    public FfnSpec WithExperts(MixtureSpec mixture)
    {
        ArgumentNullException.ThrowIfNull(mixture);
        if (mixture.Problem() is { } problem)
        {
            throw new ArgumentException(problem, nameof(mixture));
        }

        if (!IsFeedForward || Mixture is not null || FinishesHiddenRows)
        {
            throw new ArgumentException($"An expert is a transformer's network without an inner norm and without sparsity; {this} is not.");
        }

        if ((long)mixture.SharedDFf * DModel > MaxMatrixElements)
        {
            throw new ArgumentException(
                $"The shared expert's matrices are {mixture.SharedDFf} x {DModel}; the limit is {MaxMatrixElements} elements.", nameof(mixture));
        }

        return new FfnSpec(_formula with { Mixture = mixture });
    }

    /// <summary>The network of an expert, whose tensors are those of the mixture without their prefix; null where there is no shared one.</summary>
    /// <param name="expert">An expert's index, or <see cref="FfnTensor.SharedExpert"/>.</param>
    /// <exception cref="InvalidOperationException">The layer is no mixture.</exception>
    public FfnSpec? ExpertSpec(int expert)
    {
        MixtureSpec mixture = Mixture ?? throw new InvalidOperationException($"{this} has no experts.");
        return expert != FfnTensor.SharedExpert ? new FfnSpec(new Formula(Stages))
            : mixture.SharedDFf == 0 ? null
            : Stack(Stages[0] with { Width = mixture.SharedDFf }, Stages[1] with { InputWidth = mixture.SharedDFf });
    }

    /// <summary>The same layer with the norms of its transformer block.</summary>
    /// <param name="pre">The norm before the first stage.</param>
    /// <param name="branch">The norm on the last stage's result, before the residual is added.</param>
    /// <param name="post">The norm after the residual was added.</param>
    /// <exception cref="ArgumentException">A number of a norm cannot be, or the layer does not keep its width.</exception>
    public FfnSpec WithNorms(NormSpec? pre = null, NormSpec? branch = null, NormSpec? post = null)
    {
        ReadOnlySpan<NormSpec?> norms = [pre, branch, post];
        foreach (NormSpec? norm in norms)
        {
            if (norm is not null)
            {
                RequireBlock("Leave the norms out.");
                Require(norm.Problem());
            }
        }

        return new FfnSpec(_formula with { PreNorm = pre, BranchNorm = branch, PostNorm = post, WhyNoBlock = null });
    }

    /// <summary>The same layer with a norm on its hidden row of d_ff elements, before the last stage, in every mode.</summary>
    /// <param name="norm">The norm, or null for none.</param>
    /// <exception cref="ArgumentException">A number of the norm cannot be, or the layer is no single transformer's network.</exception>
    public FfnSpec WithInnerNorm(NormSpec? norm)
    {
        Require(norm?.Problem());
        return norm is not null && (!IsFeedForward || Mixture is not null)
            ? throw new ArgumentException($"A hidden row has a norm in a transformer's two-stage network that is no mixture; {this} is not one.")
            : new FfnSpec(_formula with { InnerNorm = norm });
    }

    /// <summary>The same layer, joined to the residual stream in another way.</summary>
    /// <param name="form">The form of its block.</param>
    /// <exception cref="ArgumentException">A factor is not finite, or the layer does not keep its width.</exception>
    public FfnSpec WithBlockForm(BlockForm form)
    {
        ArgumentNullException.ThrowIfNull(form);
        RequireBlock("Leave the form of a block out.");
        Require(form.Problem());
        return new FfnSpec(_formula with { BlockForm = form, WhyNoBlock = null });
    }

    /// <summary>The same layer with its network's result multiplied, in every mode.</summary>
    /// <param name="factor">The factor; finite.</param>
    /// <exception cref="ArgumentException">The factor is not finite.</exception>
    public FfnSpec WithOutputFactor(float factor)
    {
        Require(float.IsFinite(factor) ? null : $"A layer's output factor must be finite; it is {factor}.");
        return new FfnSpec(_formula with { OutputFactor = factor });
    }

    /// <summary>The same layer without norms around its network, for which <see cref="FfnMode.Block"/> is refused with a reason.</summary>
    /// <param name="reason">One sentence.</param>
    public FfnSpec WithoutBlock(string reason)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(reason);
        return new FfnSpec(new Formula(Stages)
        {
            Mixture = Mixture, InnerNorm = InnerNorm, OutputFactor = OutputFactor, WhyNoBlock = reason,
        });
    }

    /// <summary>d_ff by the 8/3 rule, which gives a gated layer about the parameters of a plain one with d_ff = 4 · d_model.</summary>
    /// <remarks>⌊8/3 · d_model⌋ rounded up to the multiple, as LLaMA sizes its layers (Touvron et al. 2023): 4096 gives 11008.</remarks>
    /// <param name="dModel">d_model, in elements; positive.</param>
    /// <param name="multipleOf">The result is rounded up to a multiple of this; positive.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is not positive, or the result passes 32 bits.</exception>
    public static int GatedDFf(int dModel, int multipleOf = 256)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(dModel);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(multipleOf);
        long exact = 8L * dModel / 3;
        long rounded = (exact + multipleOf - 1) / multipleOf * multipleOf;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rounded, int.MaxValue, nameof(dModel));
        return (int)rounded;
    }

    /// <inheritdoc/>
    public override string ToString() => IsFeedForward
        ? $"{Kind} {DModel}x{DFf}" + (Mixture is null ? string.Empty : $" ({Mixture})")
        : $"stack {InputWidth}" + string.Concat(Stages.Select(static stage => $" -> {stage.Width} {stage.Kind}"));

    /// <summary>Whether hidden rows are computed on as a whole between the two stages: a norm, or sparsity.</summary>
    internal bool FinishesHiddenRows => InnerNorm is not null || Stages[0].Kind.KnownParameters.SparsityMultiplier != 0;

    /// <summary>A tensor by its identity; null where the layer has none such.</summary>
    internal FfnTensor? Find(TensorKey key) => _tensors.GetValueOrDefault(key);

    private static void ValidateStages(ImmutableArray<FfnStage> stages)
    {
        if (stages.Length is < 1 or > MaxStages)
        {
            throw new ArgumentException($"A layer has 1 to {MaxStages} stages; {stages.Length} were given.", nameof(stages));
        }

        for (int i = 0; i < stages.Length; i++)
        {
            FfnStage stage = stages[i];
            if (stage.Kind.Activation is null)
            {
                throw new ArgumentException($"Stage {i} has no activation. Use one of {string.Join(", ", Activation.All)}.", nameof(stages));
            }

            if (stage.Kind.KnownParameters.Problem() is { } problem)
            {
                throw new ArgumentException($"Stage {i}: {problem}", nameof(stages));
            }

            if (stage.Kind.KnownParameters.SparsityMultiplier != 0 && (i > 0 || stages.Length != 2))
            {
                throw new ArgumentException($"Stage {i} has a sparsity multiplier, which the first of two stages may have.", nameof(stages));
            }

            if (stage.InputWidth < 1 || stage.Width < 1 || (long)stage.InputWidth * stage.Width > MaxMatrixElements)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(stages),
                    $"Stage {i} is {stage.InputWidth} -> {stage.Width}; widths must be positive and their product at most {MaxMatrixElements}.");
            }

            if (i > 0 && stage.InputWidth != stages[i - 1].Width)
            {
                throw new ArgumentException(
                    $"Stage {i} takes {stage.InputWidth} elements, but stage {i - 1} gives {stages[i - 1].Width}.", nameof(stages));
            }
        }
    }

    private static void Require(string? problem)
    {
        if (problem is not null)
        {
            throw new ArgumentException(problem);
        }
    }

    private void RequireBlock(string remedy) => Require(KeepsWidth ? null
        : $"A block adds its input to its output, but this layer turns {InputWidth} elements into {OutputWidth}. {remedy}");

    /// <summary>All that a spec says.</summary>
    private sealed record Formula(ImmutableArray<FfnStage> Stages)
    {
        public MixtureSpec? Mixture { get; init; }

        public NormSpec? PreNorm { get; init; }

        public NormSpec? BranchNorm { get; init; }

        public NormSpec? PostNorm { get; init; }

        public NormSpec? InnerNorm { get; init; }

        public BlockForm BlockForm { get; init; } = BlockForm.Plain;

        public float OutputFactor { get; init; } = 1;

        public string? WhyNoBlock { get; init; }
    }
}
