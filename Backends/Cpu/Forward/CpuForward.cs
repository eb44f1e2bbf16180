using System.Diagnostics;
using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Backends.Cpu.Team;
using NativeFfn.Backends.Cpu.Weights;
using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>One forward at a time, chunk of tokens after chunk: prologue, for each stage a grouped GEMM with its epilogue (and what takes whole hidden rows), combine, finish.</summary>
/// <remarks>
/// A dense layer is one group of tokens, a mixture one for each expert. All tokens are routed before the first expert runs, so that a token
/// that cannot be routed leaves the output as it was. Every (token, expert) has a row of its own, and rows are added best expert first: bits do
/// not depend on threads. Reused; running allocates nothing once the buffers have grown.
/// </remarks>
internal sealed unsafe class CpuForward(WorkerTeam team, long minimumSliceWork) : ISlicedJob, IDisposable
{
    // Slices of a thread where the work is worth it: a thread that was held up leaves the last ones to the others.
    private const int SlicesOfThread = 16;

    private readonly CpuChunk _chunk = new();
    private readonly GroupPlan _plan = new();
    private readonly StepSlices _slices = new(team);
    private readonly GrowingBuffer _rows = new();
    private readonly GrowingBuffer _wave = new();
    private Step _step;
    private int _stage;
    private int _unroutable;
    private bool _takesHelp;
    private bool _hadHelp;
    private Matrix _normalized;
    private Matrix _logits;
    private Matrix _results;

    private enum Step { Normalize, Route, Pack, Stage, Hidden, Combine, Finish }

    private FfnSpec Spec => _chunk.Layer.Spec;

    /// <summary>Runs rows that were proven to fit the layer, of which there is at least one.</summary>
    /// <param name="layer">The layer's weights.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="takesHelp">Whether the team helps where processors are idle. How the work is cut does not depend on it.</param>
    /// <returns>Whether anybody helped.</returns>
    /// <exception cref="ArgumentException">A token of a mixture has logits that are not all finite.</exception>
    public bool Run(CpuLayerWeights layer, in FfnRows rows, bool takesHelp)
    {
        (_takesHelp, _hadHelp) = (takesHelp, false);
        long start = Stopwatch.GetTimestamp();
        try
        {
            fixed (float* input = &rows.Input.DangerousGetReference(), output = &rows.Output.DangerousGetReference())
            fixed (float* residual = &rows.Residual.DangerousGetReference())
            {
                _chunk.Open(layer, rows, input, residual, output);
                if (layer.Network is { } network)
                {
                    RunDense(network, rows.Input.Height);
                }
                else
                {
                    RunMixture(layer, rows.Input.Height);
                }
            }
        }
        finally
        {
            _chunk.Clear();
            _plan.Clear();
        }

        rows.Profile?.AddElapsed(Stopwatch.GetTimestamp() - start);
        return _hadHelp;
    }

    /// <inheritdoc/>
    public void RunSlice(int slice, int worker)
    {
        // Written once, as what stands beside it is read for every slice.
        if (worker != 0 && !_hadHelp)
        {
            _hadHelp = true;
        }

        long start = _chunk.Now();
        int group = _slices.Find(slice, out Region region);
        switch (_step)
        {
            case Step.Pack:
                _plan.Wave[group].Gemm.Pack(_chunk, _plan.Wave[group], region, worker);
                break;
            case Step.Stage:
                _plan.Wave[group].Gemm.Run(_chunk, _plan.Wave[group], _stage, region, worker);
                break;
            case Step.Hidden:
                _plan.Wave[group].Gemm.FinishHidden(_chunk, _plan.Wave[group], region);
                break;
            default:
                RunRows(region);
                break;
        }

        _chunk.Profile?.AddThreadTime(Stopwatch.GetTimestamp() - start);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _rows.Dispose();
        _wave.Dispose();
    }

    private void RunDense(NetworkWeights network, int tokens)
    {
        int most = network.Gemms.For(tokens).MostTokens;
        int chunkTokens = ChunkSize.OfNetwork(network.Stages, tokens, most);
        bool normalizes = _chunk.Form.ResidualIsNormed && Spec.PreNorm is not null;
        if (normalizes || _chunk.KeepsResults)
        {
            long width = NativeBuffer.Align(Spec.OutputWidth);
            _normalized = new Matrix(_rows.Reserve(2 * chunkTokens * width, "Rows", Spec), width);
            _results = _normalized.From(chunkTokens);
        }

        for (int first = 0; first < tokens; first += chunkTokens)
        {
            int count = Math.Min(chunkTokens, tokens - first);
            _chunk.Move(first, count);
            _chunk.NetworkInput = _chunk.Input;
            _chunk.PackNorm = _chunk.IsBlock && !normalizes ? Spec.PreNorm : null;
            _chunk.Results = _chunk.KeepsResults ? _results : default;
            if (normalizes)
            {
                RunRowStep(Step.Normalize, Spec.InputWidth);
                _chunk.Read(_normalized);
            }

            RunNetwork(network, count, tokens);
            if (_chunk.KeepsResults || _chunk.PostNorm is not null)
            {
                RunRowStep(Step.Finish, Spec.OutputWidth);
            }
        }
    }

    private void RunMixture(CpuLayerWeights layer, int tokens)
    {
        int chunkTokens = ChunkSize.OfMixture(Spec, tokens);
        ReserveMixture(chunkTokens);
        _chunk.Routes.Reserve(Spec.Mixture!, tokens, chunkTokens);
        _unroutable = int.MaxValue;
        for (int first = 0; first < tokens; first += chunkTokens)
        {
            MoveMixture(first, Math.Min(chunkTokens, tokens - first), isNormalized: false);
            _chunk.Results = _logits;
            RunNetwork(layer.Router!, _chunk.Tokens, _chunk.Tokens);
            RunRowStep(Step.Route, Spec.Mixture!.Experts * Spec.Mixture.TopK);
        }

        _unroutable = _chunk.AgreeOnRoutes(tokens, _unroutable);
        if (_unroutable != int.MaxValue)
        {
            throw Router.Unroutable(_unroutable);
        }

        for (int first = 0; first < tokens; first += chunkTokens)
        {
            MoveMixture(first, Math.Min(chunkTokens, tokens - first), isNormalized: chunkTokens == tokens);
            _chunk.Results = _results;
            PlanMixture(layer);
            RunPlan();
            RunRowStep(Step.Combine, Spec.OutputWidth);
        }
    }

    // The rows that router and experts see: the input, or its norm, which the last chunk that was prepared still has.
    private void MoveMixture(int first, int count, bool isNormalized)
    {
        _chunk.Move(first, count);
        bool normalizes = _chunk.IsBlock && Spec.PreNorm is not null;
        _chunk.NetworkInput = _chunk.Input;
        if (normalizes && !isNormalized)
        {
            RunRowStep(Step.Normalize, Spec.InputWidth);
        }

        if (normalizes)
        {
            _chunk.Read(_normalized);
        }
    }

    private void PlanMixture(CpuLayerWeights layer)
    {
        int experts = Spec.Mixture!.Experts;
        _chunk.Routes.Sort(experts, _chunk.FirstToken, _chunk.Tokens);
        _plan.Clear();
        for (int expert = 0; expert < experts; expert++)
        {
            int count = _chunk.Routes.TokensOf(expert).Length;
            if (count == 0)
            {
                continue;
            }

            layer.Tokens!.Add(expert, count);
            if (Spec.Mixture.Owns(expert))
            {
                _plan.Add(layer.Experts!, expert, count, _chunk.Routes.StartOf(expert));
            }
        }

        if (layer.Shared is { } shared)
        {
            _plan.Add(shared, _chunk.Tokens, firstRow: _chunk.Tokens * Spec.Mixture.TopK);
        }
    }

    private void ReserveMixture(int chunkTokens)
    {
        long width = NativeBuffer.Align(Spec.OutputWidth);
        long logits = NativeBuffer.Align(Spec.Mixture!.Experts);
        int results = ChunkSize.ResultRows(Spec);
        float* place = _rows.Reserve(chunkTokens * (((results + 1) * width) + logits), "Rows", Spec);
        _normalized = new Matrix(place, width);
        _logits = new Matrix(place + (chunkTokens * width), logits);
        _results = new Matrix(_logits.Pointer + (chunkTokens * logits), width);
    }

    private void RunNetwork(NetworkWeights network, int tokens, int tokensOfForward)
    {
        _plan.Clear();
        _plan.Add(network, tokens, gemm: network.Gemms.For(tokensOfForward));
        RunPlan();
    }

    // Each step reads what the one before it wrote, on whatever thread, so the team finishes one before the next.
    private void RunPlan()
    {
        while (_plan.TryAdvance(team.Threads))
        {
            try
            {
                ReserveWave();
                RunPack();
                int stages = _plan.Wave[0].Network.Stages.Length;
                for (_stage = 0; _stage < stages; _stage++)
                {
                    RunStage();
                    if (_stage == 0 && _plan.FinishesHiddenRows)
                    {
                        RunHidden();
                    }
                }
            }
            finally
            {
                _plan.ReleaseWave();
            }
        }
    }

    private void ReserveWave()
    {
        long worker = 0;
        foreach (ref readonly TokenGroup group in _plan.Wave)
        {
            worker = Math.Max(worker, NativeBuffer.Align(group.Gemm.WorkerElements(group)));
        }

        float* rows = _wave.Reserve(_plan.Elements + (team.Workers * worker), "Hidden rows", Spec);
        _chunk.Use(rows, rows + _plan.Elements, worker);
    }

    // An element of a row costs about what a multiply-add of a product at few tokens does: a read from memory.
    private void RunPack()
    {
        _step = Step.Pack;
        _slices.Clear();
        long work = 0;
        foreach (ref readonly TokenGroup group in _plan.Wave)
        {
            work += (long)group.Tokens * group.Network.InputWidth;
        }

        foreach (ref readonly TokenGroup group in _plan.Wave)
        {
            int width = group.Network.InputWidth;
            int wanted = Share((long)group.Tokens * width, work, team.Threads);
            _slices.Add(Slicing.OfRows(group.Gemm.PackRows(_chunk, group), width, wanted));
        }

        RunSlices();
    }

    private void RunStage()
    {
        _step = Step.Stage;
        _slices.Clear();
        long work = 0;
        foreach (ref readonly TokenGroup group in _plan.Wave)
        {
            work += group.Work(_stage);
        }

        int enough = Math.Max(1, 2 * team.Threads / _plan.Wave.Length);
        foreach (ref readonly TokenGroup group in _plan.Wave)
        {
            int wanted = Share(group.Work(_stage), work, team.Threads * SlicesOfThread);
            int alone = (int)Math.Clamp(group.Work(_stage) / minimumSliceWork, 1, team.Threads);
            _slices.Add(group.Gemm.Slice(group, _stage, wanted, enough, alone));
        }

        RunSlices();
    }

    private void RunHidden()
    {
        _step = Step.Hidden;
        _slices.Clear();
        foreach (ref readonly TokenGroup group in _plan.Wave)
        {
            int width = group.Network.Stages[0].Width;
            long work = (long)group.Tokens * width;
            _slices.Add(Slicing.OfRows(group.Gemm.HiddenRows(group), width, Share(work, work, team.Threads)));
        }

        RunSlices();
    }

    // As many helpers as there are idle processors now: other callers may have come or gone since the last step.
    private void RunSlices() => _slices.Run(this, _takesHelp ? team.Callers.IdleProcessors : 0);

    // Slices of a group that has a part of a step's work: as many as the part is of all that the step is worth.
    private int Share(long part, long work, int most)
    {
        long worth = Math.Clamp(work / minimumSliceWork, 1, most);
        return (int)Math.Max(1, worth * part / Math.Max(work, 1));
    }

    private void RunRowStep(Step step, int width)
    {
        _step = step;
        _slices.Clear();
        _slices.Add(Slicing.OfRows(_chunk.Tokens, width, Share((long)_chunk.Tokens * width, (long)_chunk.Tokens * width, team.Threads)));
        RunSlices();
    }

    private void RunRows(Region region)
    {
        long start = _chunk.Now();
        for (int token = region.FirstRow; token < region.EndRow; token++)
        {
            switch (_step)
            {
                case Step.Normalize:
                    Prologue.Normalize(_chunk, Spec.PreNorm!, token, _normalized.Row(token));
                    break;
                case Step.Route:
                    Route(token);
                    break;
                case Step.Combine:
                    ResultRows.Combine(_chunk, token);
                    break;
                default:
                    ResultRows.Finish(_chunk, token);
                    break;
            }
        }

        if (_step is Step.Normalize or Step.Route)
        {
            _chunk.Add(_step == Step.Normalize ? FfnStep.Norm : FfnStep.Routing, start);
        }
    }

    private void Route(int row)
    {
        MixtureSpec mixture = Spec.Mixture!;
        int token = _chunk.FirstToken + row;
        Span<int> experts = _chunk.Routes.ExpertsOf(token);
        Span<float> weights = _chunk.Routes.WeightsOf(token);
        ReadOnlySpan<float> bias = _chunk.Layer.Numbers(FfnTensorRole.RouterBias, mixture.Experts);
        ReadOnlySpan<float> selectionBias = _chunk.Layer.Numbers(FfnTensorRole.RouterSelectionBias, mixture.Experts);
        var logits = new Span<float>(_logits.Row(row), mixture.Experts);
        if (!Router.TryChoose(mixture, logits, bias, selectionBias, experts, weights))
        {
            // The first of them is named, whichever thread finds it.
            int known;
            while (token < (known = Volatile.Read(ref _unroutable)) && Interlocked.CompareExchange(ref _unroutable, token, known) != known)
            {
            }
        }
        else
        {
            _chunk.Trace?.Routing?.Set(token, logits, experts, weights);
        }
    }
}
