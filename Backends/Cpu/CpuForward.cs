using System.Diagnostics;
using NativeFfn.Backends.Cpu.Steps;
using NativeFfn.Backends.Cpu.Threading;

namespace NativeFfn.Backends.Cpu;

/// <summary>One forward at a time: its chunks of tokens, the steps of each, and the slices of every step. Reused, so that running allocates nothing.</summary>
internal sealed unsafe class CpuForward : ISlicedJob, IDisposable
{
    // Slices of a thread where the work is worth it: a thread that was held up leaves the last ones to the others.
    private const int SlicesOfThread = 16;

    // A library's product should be wide enough to fill its tiles, and to be worth packing the tokens for.
    private const int MinimumLibraryColumns = 64;

    // Whole panels of every width, and whole cache lines, so that no two slices share one.
    private const int ColumnGranularity = 32;

    private readonly WorkerTeam _team;
    private readonly long _minimumSliceWork;
    private readonly CpuScratch _scratch = new();
    private CpuChunk _chunk;
    private CpuStep _step;
    private Slicing _slicing;
    private FfnProfile? _profile;

    public CpuForward(WorkerTeam team, long minimumSliceWork)
    {
        _team = team;
        _minimumSliceWork = minimumSliceWork;
    }

    /// <summary>Runs rows that were proven to fit the layer, of which there is at least one.</summary>
    public void Run(CpuWeights weights, in FfnRows rows)
    {
        long start = Stopwatch.GetTimestamp();
        RunPart(weights, rows);
        rows.Profile?.AddElapsed(Stopwatch.GetTimestamp() - start);
    }

    /// <summary>The same as part of a longer forward, which measures the time that passes itself.</summary>
    public void RunPart(CpuWeights weights, in FfnRows rows)
    {
        int tokens = rows.Input.Height;
        bool usesPanels = Math.Min(tokens, CpuScratch.MaxChunkTokens) <= weights.PanelTokens;
        int chunkTokens = CpuScratch.ChunkTokens(weights.Spec, tokens, usesPanels);
        Reserve(weights, chunkTokens, usesPanels);
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
                    int count = Math.Min(chunkTokens, tokens - first);
                    _chunk = new CpuChunk
                    {
                        Weights = weights,
                        Scratch = _scratch,
                        Products = weights.Products,
                        Trace = rows.Trace,
                        Profile = rows.Profile,
                        IsBlock = rows.Mode == FfnMode.Block,
                        UsesPanels = usesPanels,
                        FirstToken = first,
                        Tokens = count,
                        Groups = weights.Products.Panels.Group(count),
                        Input = inputRows.From(first),
                        Residual = residualRows.IsNull ? default : residualRows.From(first),
                        Output = outputRows.From(first),
                    };
                    RunChunk(weights.Spec);
                }
            }
        }
        finally
        {
            // Nothing of the caller's is kept once the forward is over.
            _chunk = default;
            _profile = null;
        }
    }

    /// <inheritdoc/>
    public void RunSlice(int slice, int worker)
    {
        if (_profile is null)
        {
            _step.Run(_chunk, _slicing[slice], worker);
            return;
        }

        long start = Stopwatch.GetTimestamp();
        _step.Run(_chunk, _slicing[slice], worker);
        _profile.AddThreadTime(Stopwatch.GetTimestamp() - start);
    }

    /// <inheritdoc/>
    public void Dispose() => _scratch.Dispose();

    private void Reserve(CpuWeights weights, int chunkTokens, bool usesPanels)
    {
        FfnSpec spec = weights.Spec;
        if (usesPanels)
        {
            _scratch.ReserveForPanels(spec, weights.Products.Panels, chunkTokens, _team.Threads);
            return;
        }

        long widened = 0;
        if (!weights.AreRows)
        {
            foreach (FfnStage stage in spec.Stages)
            {
                widened = Math.Max(widened, WidenedProduct.BlockElements(stage.Width, stage.InputWidth, weights.Format.Rows));
            }
        }

        _scratch.ReserveForLibrary(spec, chunkTokens, _team.Threads, widened);
    }

    // Each step reads what the one before it wrote, on whatever thread, so the team finishes one before the next.
    private void RunChunk(FfnSpec spec)
    {
        int rows = _chunk.UsesPanels ? _chunk.Groups.Count : _chunk.Tokens;
        if (_chunk.UsesPanels || _chunk.HasPreNorm)
        {
            RunStep(new CpuStep(CpuStepKind.Input), RowSlices(rows, spec.InputWidth));
        }

        for (int i = 0; i < spec.Stages.Length; i++)
        {
            FfnStage stage = spec.Stages[i];
            long work = (long)_chunk.Tokens * stage.ProjectionCount * stage.InputWidth * stage.Width;
            Slicing slicing = _chunk.UsesPanels
                ? Slicing.OfProduct(rows, stage.Width, Slices(work, SlicesOfThread), ColumnGranularity, ColumnGranularity)
                : Slicing.OfProduct(rows, stage.Width, Slices(work, 1), ColumnGranularity, MinimumLibraryColumns);
            RunStep(new CpuStep(CpuStepKind.Stage, i), slicing);
        }

        if (_chunk.IsBlock && (spec.BranchNorm is not null || spec.PostNorm is not null))
        {
            RunStep(new CpuStep(CpuStepKind.Finish), RowSlices(_chunk.Tokens, spec.OutputWidth));
        }
    }

    // An element of a row costs about what a multiply-add of a product at few tokens does: a read from memory.
    private Slicing RowSlices(int rows, int width) => Slicing.OfRows(rows, width, Slices((long)_chunk.Tokens * width, 1));

    private int Slices(long work, int ofThread) => (int)Math.Clamp(work / _minimumSliceWork, 1, (long)_team.Threads * ofThread);

    private void RunStep(CpuStep step, Slicing slicing)
    {
        _step = step;
        _slicing = slicing;
        _team.Run(this, slicing.Count);
    }
}
