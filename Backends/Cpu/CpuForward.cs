using System.Diagnostics;
using NativeFfn.Backends.Cpu.Threading;

namespace NativeFfn.Backends.Cpu;

/// <summary>One forward at a time: its chunks of tokens, the steps of each, and the slices of every step. Reused, so that running allocates nothing.</summary>
internal sealed unsafe class CpuForward : ISlicedJob, IDisposable
{
    private readonly WorkerTeam _team;
    private readonly CpuProducts _products;
    private readonly long _minimumSliceWork;
    private readonly CpuScratch _scratch = new();
    private CpuChunk _chunk;
    private CpuStep _step;
    private Slicing _slicing;
    private FfnProfile? _profile;

    public CpuForward(WorkerTeam team, CpuProducts products, long minimumSliceWork)
    {
        _team = team;
        _products = products;
        _minimumSliceWork = minimumSliceWork;
    }

    /// <summary>Runs rows that were proven to fit the layer, of which there is at least one.</summary>
    public void Run(CpuWeights weights, in FfnRows rows)
    {
        long start = Stopwatch.GetTimestamp();
        FfnSpec spec = weights.Spec;
        int tokens = rows.Input.Height;
        int chunkTokens = CpuScratch.ChunkTokens(spec, tokens);
        _scratch.Reserve(spec, chunkTokens);
        _profile = rows.Profile;
        try
        {
            fixed (float* input = &rows.Input.DangerousGetReference(), output = &rows.Output.DangerousGetReference())
            fixed (float* residual = &rows.Residual.DangerousGetReference())
            {
                var inputRows = new Matrix(input, FfnRows.StrideOf(rows.Input));
                Matrix residualRows = rows.Mode switch
                {
                    FfnMode.Residual => new Matrix(residual, FfnRows.StrideOf(rows.Residual)),
                    FfnMode.Block => inputRows,
                    _ => default,
                };
                var outputRows = new Matrix(output, FfnRows.StrideOf(rows.Output));
                for (int first = 0; first < tokens; first += chunkTokens)
                {
                    _chunk = new CpuChunk
                    {
                        Weights = weights,
                        Scratch = _scratch,
                        Products = _products,
                        Trace = rows.Trace,
                        Profile = rows.Profile,
                        IsBlock = rows.Mode == FfnMode.Block,
                        FirstToken = first,
                        Tokens = Math.Min(chunkTokens, tokens - first),
                        Input = inputRows.From(first),
                        Residual = residualRows.IsNull ? default : residualRows.From(first),
                        Output = outputRows.From(first),
                    };
                    RunChunk(spec);
                }
            }
        }
        finally
        {
            // Nothing of the caller's is kept once the forward is over.
            _chunk = default;
            _profile = null;
        }

        rows.Profile?.AddElapsed(Stopwatch.GetTimestamp() - start);
    }

    /// <inheritdoc/>
    public void RunSlice(int slice)
    {
        if (_profile is null)
        {
            _step.Run(_chunk, _slicing[slice]);
            return;
        }

        long start = Stopwatch.GetTimestamp();
        _step.Run(_chunk, _slicing[slice]);
        _profile.AddThreadTime(Stopwatch.GetTimestamp() - start);
    }

    /// <inheritdoc/>
    public void Dispose() => _scratch.Dispose();

    // Each step reads what the one before it wrote, on whatever thread, so the team finishes one before the next.
    private void RunChunk(FfnSpec spec)
    {
        int tokens = _chunk.Tokens;
        if (_chunk.IsBlock && spec.PreNorm is not null)
        {
            RunStep(new CpuStep(CpuStepKind.PreNorm), RowSlices(spec.InputWidth));
        }

        for (int i = 0; i < spec.Stages.Length; i++)
        {
            FfnStage stage = spec.Stages[i];
            long work = (long)tokens * stage.ProjectionCount * stage.InputWidth * stage.Width;
            CpuStepKind kind = i == spec.Stages.Length - 1 ? CpuStepKind.LastStage : CpuStepKind.HiddenStage;
            RunStep(new CpuStep(kind, i), Slicing.OfProduct(tokens, stage.Width, work / _minimumSliceWork, _team.Threads));
        }

        if (_chunk.IsBlock && (spec.BranchNorm is not null || spec.PostNorm is not null))
        {
            RunStep(new CpuStep(CpuStepKind.FinishRows), RowSlices(spec.OutputWidth));
        }
    }

    // An element of a norm costs about what a multiply-add of a product at few tokens does: a read from memory.
    private Slicing RowSlices(int width) =>
        Slicing.OfRows(_chunk.Tokens, width, (long)_chunk.Tokens * width / _minimumSliceWork, _team.Threads);

    private void RunStep(CpuStep step, Slicing slicing)
    {
        _step = step;
        _slicing = slicing;
        _team.Run(this, slicing.Count);
    }
}
