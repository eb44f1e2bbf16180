using System.Diagnostics;
using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Backends.Cpu.Weights;
using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>The tokens of a forward that are run at a time, with all that a step needs to run on them. Reused.</summary>
internal sealed unsafe class CpuChunk
{
    private IRouteAgreement? _agreement;
    private Matrix _input;
    private Matrix _residual;
    private Matrix _output;
    private float* _wave;
    private float* _workers;
    private long _workerElements;

    /// <summary>The layer.</summary>
    public CpuLayerWeights Layer { get; private set; } = null!;

    /// <summary>Receives inner values; null where nobody wants them.</summary>
    public FfnTrace? Trace { get; private set; }

    /// <summary>Receives times; null where nobody wants them.</summary>
    public FfnProfile? Profile { get; private set; }

    /// <summary>Where a mixture's tokens go.</summary>
    public TokenRoutes Routes { get; } = new();

    /// <summary>The first token in the forward.</summary>
    public int FirstToken { get; private set; }

    /// <summary>Tokens.</summary>
    public int Tokens { get; private set; }

    /// <summary>The forward's input from the chunk on.</summary>
    public Matrix Input { get; private set; }

    /// <summary>The rows to add; null where there are none.</summary>
    public Matrix Residual { get; private set; }

    /// <summary>The forward's output from the chunk on.</summary>
    public Matrix Output { get; private set; }

    /// <summary>The rows that networks read: the input, or a mixture's input after the norm.</summary>
    public Matrix NetworkInput { get; set; }

    /// <summary>Where a group's last stage writes, by row; null where that is the output.</summary>
    public Matrix Results { get; set; }

    /// <summary>The norm before the first stage, where <see cref="NetworkInput"/> does not have it yet.</summary>
    public NormSpec? PackNorm { get; set; }

    /// <summary>Whether the norms after the last stage count.</summary>
    public bool IsBlock { get; private set; }

    /// <summary>The norm on the last stage's result; null where there is none to apply.</summary>
    public NormSpec? BranchNorm => IsBlock ? Layer.Spec.BranchNorm : null;

    /// <summary>The norm after the residual; null where there is none to apply.</summary>
    public NormSpec? PostNorm => IsBlock ? Layer.Spec.PostNorm : null;

    /// <summary>How the residual is joined.</summary>
    public BlockForm Form { get; private set; } = BlockForm.Plain;

    /// <summary>Whether something comes between a network's result and the residual's addition, so that it is kept until all of a row is there.</summary>
    public bool KeepsResults { get; private set; }

    /// <summary>Whether the first stage of a mixture's experts reads rows times their weights.</summary>
    public bool WeighsInput { get; private set; }

    /// <summary>Takes a forward's rows, whose memory is pinned until <see cref="Clear"/>.</summary>
    public void Open(CpuLayerWeights layer, in FfnRows rows, float* input, float* residual, float* output)
    {
        Layer = layer;
        (Trace, Profile, _agreement, IsBlock) = (rows.Trace, rows.Profile, rows.Agreement, rows.Mode == FfnMode.Block);
        Form = IsBlock ? layer.Spec.BlockForm : BlockForm.Plain;
        KeepsResults = BranchNorm is not null || layer.Spec.OutputFactor != 1 || Form.Scales;
        WeighsInput = layer.Spec.Mixture is { WeighsInput: true };
        _input = new Matrix(input, FfnRows.StrideOf(rows.Input));
        _residual = rows.Mode switch
        {
            FfnMode.Residual => new Matrix(residual, FfnRows.StrideOf(rows.Residual)),
            FfnMode.Block => _input,
            _ => default,
        };
        _output = new Matrix(output, FfnRows.StrideOf(rows.Output));
    }

    /// <summary>Moves on to some tokens of the forward.</summary>
    public void Move(int firstToken, int tokens)
    {
        (FirstToken, Tokens) = (firstToken, tokens);
        Input = _input.From(firstToken);
        Residual = _residual.IsNull ? default : _residual.From(firstToken);
        Output = _output.From(firstToken);
    }

    /// <summary>Has networks, and the residual where the block's form says so, read the input after the norm.</summary>
    public void Read(Matrix normalized)
    {
        NetworkInput = normalized;
        if (Form.ResidualIsNormed)
        {
            Residual = normalized;
        }
    }

    /// <summary>Has ranks that share the mixture take the same routes; nothing where the forward stands alone.</summary>
    /// <param name="tokens">Tokens of the forward.</param>
    /// <param name="unroutable">The first token that cannot be routed here.</param>
    /// <returns>The first token that counts as such.</returns>
    public int AgreeOnRoutes(int tokens, int unroutable) =>
        _agreement?.Agree(Routes.ExpertsOfAll(tokens), Routes.WeightsOfAll(tokens), unroutable) ?? unroutable;

    /// <summary>Keeps nothing of the caller's once the forward is over.</summary>
    public void Clear()
    {
        (Layer, Trace, Profile, _agreement, PackNorm, Form) = (null!, null, null, null, null, BlockForm.Plain);
        (_input, _residual, _output) = (default, default, default);
        (Input, Residual, Output, NetworkInput, Results) = (default, default, default, default, default);
    }

    /// <summary>Takes the memory of a wave.</summary>
    /// <param name="wave">Its groups' rows.</param>
    /// <param name="workers">Its threads' own memory.</param>
    /// <param name="workerElements">Floats of one thread.</param>
    public void Use(float* wave, float* workers, long workerElements)
    {
        _wave = wave;
        _workers = workers;
        _workerElements = workerElements;
    }

    /// <summary>A group's rows before a stage; stages take turns at two places.</summary>
    public float* Rows(in TokenGroup group, int stage) => _wave + (stage % 2 == 0 ? group.Even : group.Odd);

    /// <summary>A group's rows of the activated projection, where they are kept beside those of <see cref="Rows"/>.</summary>
    public float* GateRows(in TokenGroup group) => _wave + group.Gate;

    /// <summary>A group's rows of the up projection.</summary>
    public float* UpRows(in TokenGroup group) => _wave + group.Up;

    /// <summary>A thread's own memory.</summary>
    public float* Own(int worker) => _workers + (worker * _workerElements);

    /// <summary>A group's token, counted from the chunk's first.</summary>
    public int TokenOf(in TokenGroup group, int row) =>
        group.IsContiguous ? group.FirstToken + row : Routes.SortedTokens[group.FirstRoute + row];

    /// <summary>The start of a step's time, where somebody wants to know it.</summary>
    public long Now() => Profile is null ? 0 : Stopwatch.GetTimestamp();

    /// <summary>Adds the time since then.</summary>
    public void Add(FfnStep step, long start) => Profile?.Add(step, Stopwatch.GetTimestamp() - start);
}
