using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Panels;

namespace NativeFfn.Backends.Cpu;

/// <summary>The memory between the steps of a forward: how many tokens are run at a time, and where each step's rows lie.</summary>
internal sealed unsafe class CpuScratch : IDisposable
{
    /// <summary>Tokens run at a time at most: enough for a product to reach its full rate, few enough for hidden rows to stay small.</summary>
    public const int MaxChunkTokens = 512;

    /// <summary>Tokens run at a time at least, however wide the layer: fewer would read the weights too often.</summary>
    private const int MinChunkTokens = 64;

    /// <summary>Bytes that a chunk's scratch rows should keep to, of the order of a server's last-level cache.</summary>
    private const long ChunkBytes = 32 * 1024 * 1024;

    /// <summary>Tokens that the panel kernels run at a time at most: 512 columns of them take 288 KiB, which stay in the second-level cache.</summary>
    private const int MaxPanelTokens = 144;

    /// <summary>Bytes of the tiles that a thread works on at a time, beside which tokens and weights have to find room in the second-level cache.</summary>
    private const long TileBytes = 128 * 1024;

    /// <summary>Panels that share a block of tokens: beyond, what reading it again costs is lost in the noise.</summary>
    private const int MostPanelsAtATime = 4;

    private NativeBuffer? _memory;
    private float* _even;
    private float* _odd;
    private float* _workers;
    private long _workerElements;
    private long _tileElements;
    private long _widenedOfWorker;

    /// <summary>Panels that a thread multiplies together.</summary>
    public int PanelsAtATime { get; private set; }

    /// <summary>The last stage's result where it cannot go straight to the output.</summary>
    public Matrix Branch { get; private set; }

    /// <summary>The first stage's input after a norm, where a library multiplies.</summary>
    public Matrix Normalized { get; private set; }

    /// <summary>The up projection of a gated stage, where a library multiplies.</summary>
    public Matrix Up { get; private set; }

    /// <summary>Tokens of a chunk: all chunks of a forward are about the same size, because a last chunk of few would read every weight for them.</summary>
    /// <param name="spec">The layer.</param>
    /// <param name="tokens">Tokens of the forward.</param>
    /// <param name="usesPanels">Whether the panel kernels multiply.</param>
    public static int ChunkTokens(FfnSpec spec, int tokens, bool usesPanels)
    {
        long widest = 0;
        foreach (FfnStage stage in spec.Stages)
        {
            widest = Math.Max(widest, stage.Width);
        }

        long width = spec.InputWidth + spec.OutputWidth + (2 * widest);
        long most = Math.Clamp(ChunkBytes / (width * sizeof(float)), MinChunkTokens, usesPanels ? MaxPanelTokens : MaxChunkTokens);
        long chunks = (tokens + most - 1) / most;
        return (int)((tokens + chunks - 1) / chunks);
    }

    /// <summary>Makes room for chunks that the panel kernels multiply; allocates only where there was never so much.</summary>
    /// <param name="spec">The layer.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="chunkTokens">Tokens of a chunk.</param>
    /// <param name="workers">Threads that run it.</param>
    public void ReserveForPanels(FfnSpec spec, PanelKernel kernel, int chunkTokens, int workers)
    {
        long tokens = kernel.Group(chunkTokens).PaddedTokens;
        (long even, long odd) = (0, 0);
        for (int i = 0; i < spec.Stages.Length; i++)
        {
            long width = PanelFormat.PaddedColumns(spec.Stages[i].InputWidth);
            (even, odd) = i % 2 == 0 ? (Math.Max(even, width), odd) : (even, Math.Max(odd, width));
        }

        // A thread holds a tile of each projection, or the normalized rows of a group.
        long tile = tokens * kernel.Format.Rows;
        long normalized = spec.PreNorm is null ? 0 : Math.Min(tokens, kernel.MostTokens) * NativeBuffer.Align(spec.InputWidth);
        _tileElements = tile;
        PanelsAtATime = (int)Math.Clamp(TileBytes / (2 * tile * sizeof(float)), 1, MostPanelsAtATime);
        _widenedOfWorker = 2 * tile * PanelsAtATime;
        long widened = kernel.Format.Precision == FfnPrecision.Float32 ? 0 : PanelKernel.BlockGroups * PanelFormat.GroupColumns * kernel.Format.Rows;
        _workerElements = NativeBuffer.Align(Math.Max(_widenedOfWorker + widened, normalized));
        long branch = spec.BranchNorm is null ? 0 : NativeBuffer.Align(spec.OutputWidth);
        float* place = Reserve((tokens * (even + odd + branch)) + (workers * _workerElements), spec, chunkTokens);
        _even = place;
        _odd = _even + (tokens * even);
        Branch = new Matrix(_odd + (tokens * odd), branch);
        _workers = Branch.Pointer + (tokens * branch);
    }

    /// <summary>Makes room for chunks that a library multiplies; allocates only where there was never so much.</summary>
    /// <param name="spec">The layer.</param>
    /// <param name="chunkTokens">Tokens of a chunk.</param>
    /// <param name="workers">Threads that run it.</param>
    /// <param name="workerElements">Floats that a thread needs beside the rows.</param>
    public void ReserveForLibrary(FfnSpec spec, int chunkTokens, int workers, long workerElements)
    {
        // Row widths are whole cache lines, so that every row starts on one.
        (long even, long odd, long up) = (0, 0, 0);
        for (int i = 0; i < spec.Stages.Length; i++)
        {
            long width = NativeBuffer.Align(spec.Stages[i].Width);
            up = spec.Stages[i].Kind.Gated ? Math.Max(up, width) : up;
            if (i < spec.Stages.Length - 1)
            {
                (even, odd) = i % 2 == 0 ? (even, Math.Max(odd, width)) : (Math.Max(even, width), odd);
            }
        }

        long normalized = spec.PreNorm is null ? 0 : NativeBuffer.Align(spec.InputWidth);
        bool straight = spec.Stages[^1].Kind == FfnKind.Linear && spec.BranchNorm is null;
        long branch = straight ? 0 : NativeBuffer.Align(spec.OutputWidth);
        _workerElements = NativeBuffer.Align(workerElements);
        float* place = Reserve((chunkTokens * (even + odd + up + normalized + branch)) + (workers * _workerElements), spec, chunkTokens);
        _even = place;
        _odd = _even + (chunkTokens * even);
        Up = new Matrix(_odd + (chunkTokens * odd), up);
        Normalized = new Matrix(Up.Pointer + (chunkTokens * up), normalized);
        Branch = new Matrix(Normalized.Pointer + (chunkTokens * normalized), branch);
        _workers = Branch.Pointer + (chunkTokens * branch);
    }

    /// <summary>A stage's input for the panel kernels; stages take turns at two places.</summary>
    public TokenPanels Input(FfnSpec spec, int stage, TokenGroups groups) =>
        new(stage % 2 == 0 ? _even : _odd, groups, PanelFormat.PaddedColumns(spec.Stages[stage].InputWidth));

    /// <summary>A stage's input as rows: the result of the stage before it.</summary>
    public Matrix InputRows(FfnSpec spec, int stage) =>
        new(stage % 2 == 0 ? _even : _odd, NativeBuffer.Align(spec.Stages[stage].InputWidth));

    /// <summary>A thread's own memory: its tiles, or whatever else a step needs.</summary>
    public float* Own(int worker) => _workers + (worker * _workerElements);

    /// <summary>A thread's tile for one of the panels that it multiplies together, gate and up panels in turns.</summary>
    public float* Tile(int worker, int panel) => Own(worker) + (panel * _tileElements);

    /// <summary>A thread's room for a block of a panel in float32.</summary>
    public float* Widened(int worker) => Own(worker) + _widenedOfWorker;

    /// <inheritdoc/>
    public void Dispose() => _memory?.Dispose();

    private float* Reserve(long elements, FfnSpec spec, int chunkTokens)
    {
        if (_memory is null || _memory.Elements < elements)
        {
            _memory?.Dispose();
            _memory = null;
            _memory = new NativeBuffer(elements, $"{chunkTokens} hidden rows of {spec}");
        }

        return _memory.Pointer;
    }
}
