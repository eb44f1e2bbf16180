using System.Diagnostics;
using CommunityToolkit.HighPerformance;
using NativeFfn.Backends.Cpu.Kernels;
using NativeFfn.Backends.Cpu.Steps;
using NativeFfn.Backends.Cpu.Threading;
using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Cpu.Experts;

/// <summary>One forward of a mixture at a time: tokens are routed, each expert runs once on its own, and results are added up.</summary>
/// <remarks>
/// All tokens are routed before the first expert runs, so that a token that cannot be routed leaves the output as it was. A token's results
/// are added in the order of experts, the shared one first, so that they do not depend on threads. Reused; running allocates nothing
/// once the buffers have grown.
/// </remarks>
internal sealed unsafe class MixtureForward : ISlicedJob, IDisposable
{
    private readonly WorkerTeam _team;
    private readonly long _minimumSliceWork;
    private readonly CpuForward _network;
    private readonly MixtureScratch _scratch = new();
    private readonly TokenRoutes _routes = new();

    // What the slices of a step need; set for the length of a forward.
    private MixtureWeights _weights = null!;
    private FfnTrace? _trace;
    private FfnProfile? _profile;
    private Matrix _input;
    private Matrix _x;
    private Matrix _residual;
    private Matrix _output;
    private int _firstToken;
    private int _expert;
    private int _unroutable;
    private Step _step;
    private Slicing _slicing;

    public MixtureForward(WorkerTeam team, long minimumSliceWork)
    {
        _team = team;
        _minimumSliceWork = minimumSliceWork;
        _network = new CpuForward(team, minimumSliceWork);
    }

    private enum Step
    {
        Normalize,
        Route,
        Gather,
        AddShared,
        AddExpert,
        Finish,
    }

    private FfnSpec Spec => _weights.Spec;

    /// <summary>Runs rows that were proven to fit the layer, of which there is at least one.</summary>
    /// <exception cref="ArgumentException">A token's logits are not all finite.</exception>
    public void Run(MixtureWeights weights, in FfnRows rows)
    {
        long start = Stopwatch.GetTimestamp();
        _weights = weights;
        _trace = rows.Trace;
        _profile = rows.Profile;
        try
        {
            fixed (float* input = &rows.Input.DangerousGetReference(), output = &rows.Output.DangerousGetReference())
            fixed (float* residual = &rows.Residual.DangerousGetReference())
            {
                _input = new Matrix(input, FfnRows.StrideOf(rows.Input));
                _residual = rows.Mode switch
                {
                    FfnMode.Residual => new Matrix(residual, FfnRows.StrideOf(rows.Residual)),
                    FfnMode.Block => _input,
                    _ => default,
                };
                _output = new Matrix(output, FfnRows.StrideOf(rows.Output));
                Run(rows.Input.Height, rows.Mode == FfnMode.Block && Spec.PreNorm is not null);
            }
        }
        finally
        {
            // Nothing of the caller's is kept once the forward is over.
            (_weights, _trace, _profile) = (null!, null, null);
            (_input, _x, _residual, _output) = (default, default, default, default);
        }

        rows.Profile?.AddElapsed(Stopwatch.GetTimestamp() - start);
    }

    /// <inheritdoc/>
    public void RunSlice(int slice, int worker)
    {
        long start = _profile is null ? 0 : Stopwatch.GetTimestamp();
        Region region = _slicing[slice];
        for (int row = region.FirstRow; row < region.EndRow; row++)
        {
            RunRow(row);
        }

        if (_profile is not null)
        {
            long ticks = Stopwatch.GetTimestamp() - start;
            _profile.AddThreadTime(ticks);
            _profile.Add(_step switch { Step.Normalize => FfnStep.Norm, Step.Finish => FfnStep.Residual, _ => FfnStep.Routing }, ticks);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _network.Dispose();
        _scratch.Dispose();
    }

    private void Run(int tokens, bool normalize)
    {
        int chunkTokens = MixtureScratch.ChunkTokens(Spec, tokens);
        _scratch.Reserve(Spec, chunkTokens);
        _routes.Reserve(Spec.Mixture!, tokens, chunkTokens);
        _unroutable = int.MaxValue;
        for (int first = 0; first < tokens; first += chunkTokens)
        {
            Route(first, Math.Min(chunkTokens, tokens - first), normalize);
        }

        if (_unroutable != int.MaxValue)
        {
            throw Router.Unroutable(_unroutable);
        }

        for (int first = 0; first < tokens; first += chunkTokens)
        {
            int count = Math.Min(chunkTokens, tokens - first);
            SetChunk(first, count, normalize, isPrepared: chunkTokens == tokens);
            RunChunk(count);
        }
    }

    // The rows that router and experts see: the input, or its norm, which the last chunk that was prepared still has.
    private void SetChunk(int first, int count, bool normalize, bool isPrepared)
    {
        _firstToken = first;
        _x = normalize ? _scratch.Normalized : _input.From(first);
        if (normalize && !isPrepared)
        {
            RunStep(Step.Normalize, count);
        }
    }

    private void Route(int first, int count, bool normalize)
    {
        SetChunk(first, count, normalize, isPrepared: false);
        RunNetwork(_weights.Router, _x, count, _scratch.Logits);
        RunStep(Step.Route, count);
    }

    private void RunChunk(int tokens)
    {
        int width = Spec.InputWidth;
        if (_weights.Shared is { } shared)
        {
            RunNetwork(shared, _x, tokens, _scratch.Sum);
            if (_weights.SharedGate != null)
            {
                RunStep(Step.AddShared, tokens);
            }
        }
        else
        {
            new Span2D<float>(_scratch.Sum.Pointer, tokens, width, (int)(_scratch.Sum.Stride - width)).Clear();
        }

        int experts = Spec.Mixture!.Experts;
        _routes.Sort(experts, _firstToken, tokens);
        for (int expert = 0; expert < experts; expert++)
        {
            int count = _routes.TokensOf(expert).Length;
            if (count > 0)
            {
                RunExpert(expert, count, tokens);
            }
        }

        RunStep(Step.Finish, tokens);
    }

    private void RunExpert(int expert, int count, int tokens)
    {
        _expert = expert;
        _weights.Tokens.Add(expert, count);

        // All tokens in their order need no gathering.
        Matrix rows = _x;
        if (count < tokens)
        {
            rows = _scratch.Gathered;
            RunStep(Step.Gather, count);
        }

        CpuWeights network = _weights.Experts.Acquire(expert);
        try
        {
            RunNetwork(network, rows, count, _scratch.Result);
        }
        finally
        {
            _weights.Experts.Release(expert);
        }

        RunStep(Step.AddExpert, count);
    }

    private void RunNetwork(CpuWeights network, Matrix input, int tokens, Matrix output)
    {
        FfnSpec spec = network.Spec;
        _network.RunPart(network, new FfnRows
        {
            Input = new ReadOnlySpan2D<float>(input.Pointer, tokens, spec.InputWidth, (int)(input.Stride - spec.InputWidth)),
            Output = new Span2D<float>(output.Pointer, tokens, spec.OutputWidth, (int)(output.Stride - spec.OutputWidth)),
            Mode = FfnMode.Ffn,
            Profile = _profile,
        });
    }

    private void RunStep(Step step, int rows)
    {
        _step = step;
        int width = step == Step.Route ? Spec.Mixture!.Experts * Spec.Mixture.TopK : Spec.InputWidth;
        long work = (long)rows * width;
        _slicing = Slicing.OfRows(rows, width, (int)Math.Clamp(work / _minimumSliceWork, 1, _team.Threads));
        _team.Run(this, _slicing.Count);
    }

    private void RunRow(int row)
    {
        int width = Spec.InputWidth;
        switch (_step)
        {
            case Step.Normalize:
                NormKernel.Apply(Spec.PreNorm!, _weights.PreNorm.Weight, _weights.PreNorm.Bias, _input.Row(_firstToken + row), _x.Row(row), width);
                CpuTracing.Row(_trace?.Normalized, _firstToken + row, width, _x.Row(row), 0, width);
                break;
            case Step.Route:
                RouteRow(row);
                break;
            case Step.Gather:
                RowKernel.Copy(_scratch.Gathered.Row(row), _x.Row(_routes.TokensOf(_expert)[row]), width);
                break;
            case Step.AddShared:
                float gate = Router.Sigmoid(RowKernel.Dot(_x.Row(row), _weights.SharedGate, width));
                RowKernel.Scale(_scratch.Sum.Row(row), gate, width);
                break;
            case Step.AddExpert:
                // An expert has a token once at most, so no two rows of the step meet.
                RowKernel.AddScaled(
                    _scratch.Sum.Row(_routes.TokensOf(_expert)[row]), _scratch.Result.Row(row), _routes.TokenWeightsOf(_expert)[row], width);
                break;
            default:
                FinishRow(row, width);
                break;
        }
    }

    private void RouteRow(int row)
    {
        MixtureSpec mixture = Spec.Mixture!;
        int token = _firstToken + row;
        Span<int> experts = _routes.ExpertsOf(token);
        Span<float> weights = _routes.WeightsOf(token);
        var bias = new ReadOnlySpan<float>(_weights.SelectionBias, _weights.SelectionBias == null ? 0 : mixture.Experts);
        if (!Router.TryChoose(mixture, new Span<float>(_scratch.Logits.Row(row), mixture.Experts), bias, experts, weights))
        {
            // The first of them is named, whichever thread finds it.
            int known;
            while (token < (known = Volatile.Read(ref _unroutable)) && Interlocked.CompareExchange(ref _unroutable, token, known) != known)
            {
            }

            return;
        }

        if (_trace?.Routing is { } routing)
        {
            experts.CopyTo(routing.Experts.AsSpan(token * mixture.TopK));
            weights.CopyTo(routing.Weights.AsSpan(token * mixture.TopK));
        }
    }

    private void FinishRow(int row, int width)
    {
        float* output = _output.Row(_firstToken + row);
        if (_residual.IsNull)
        {
            RowKernel.Copy(output, _scratch.Sum.Row(row), width);
        }
        else
        {
            RowKernel.Add(output, _residual.Row(_firstToken + row), _scratch.Sum.Row(row), width);
        }
    }
}
