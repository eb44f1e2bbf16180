using NativeFfn.Backends.Cpu.Memory;

namespace NativeFfn.Backends.Cpu;

/// <summary>The memory between the steps of a forward: how many tokens are run at a time, and where each step's rows lie.</summary>
internal sealed unsafe class CpuScratch : IDisposable
{
    /// <summary>Tokens run at a time at most: enough for a GEMM to reach its full rate, few enough for hidden rows to stay small.</summary>
    public const int MaxChunkTokens = 512;

    /// <summary>Tokens run at a time at least, however wide the layer: fewer would read the weights too often.</summary>
    private const int MinChunkTokens = 64;

    /// <summary>Bytes that a chunk's scratch rows should keep to, of the order of a server's last-level cache.</summary>
    private const long ChunkBytes = 32 * 1024 * 1024;

    private NativeBuffer? _memory;

    /// <summary>The first stage's input after a norm.</summary>
    public Matrix Normalized { get; private set; }

    /// <summary>The up projection of a gated stage.</summary>
    public Matrix Up { get; private set; }

    /// <summary>The last stage's result where it cannot go straight to the output.</summary>
    public Matrix Branch { get; private set; }

    private Matrix Even { get; set; }

    private Matrix Odd { get; set; }

    /// <summary>A hidden stage's result; stages take turns at two places.</summary>
    public Matrix Hidden(int stage) => stage % 2 == 0 ? Even : Odd;

    /// <summary>Tokens of a chunk: all chunks of a forward are about the same size, because a last chunk of few would read every weight for them.</summary>
    public static int ChunkTokens(FfnSpec spec, int tokens)
    {
        long most = Math.Clamp(ChunkBytes / (Widths(spec).Total * sizeof(float)), MinChunkTokens, MaxChunkTokens);
        long chunks = (tokens + most - 1) / most;
        return (int)((tokens + chunks - 1) / chunks);
    }

    /// <summary>Makes room for chunks of a layer; allocates only where there was never so much.</summary>
    public void Reserve(FfnSpec spec, int chunkTokens)
    {
        RowWidths widths = Widths(spec);
        long elements = chunkTokens * widths.Total;
        if (_memory is null || _memory.Elements < elements)
        {
            _memory?.Dispose();
            _memory = null;
            _memory = new NativeBuffer(elements, $"{chunkTokens} hidden rows of {spec}");
        }

        float* place = _memory.Pointer;
        Normalized = Carve(widths.Normalized);
        Even = Carve(widths.Even);
        Odd = Carve(widths.Odd);
        Up = Carve(widths.Up);
        Branch = Carve(widths.Branch);

        Matrix Carve(long width)
        {
            var rows = new Matrix(place, width);
            place += chunkTokens * width;
            return rows;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _memory?.Dispose();

    // Row widths are whole cache lines, so that every row starts on one.
    private static RowWidths Widths(FfnSpec spec)
    {
        long even = 0;
        long odd = 0;
        long up = 0;
        for (int i = 0; i < spec.Stages.Length; i++)
        {
            long width = NativeBuffer.Align(spec.Stages[i].Width);
            if (spec.Stages[i].Kind.Gated)
            {
                up = Math.Max(up, width);
            }

            if (i == spec.Stages.Length - 1)
            {
                break;
            }

            if (i % 2 == 0)
            {
                even = Math.Max(even, width);
            }
            else
            {
                odd = Math.Max(odd, width);
            }
        }

        bool plainLast = spec.Stages[^1].Kind == FfnKind.Linear && spec.BranchNorm is null;
        return new RowWidths(
            spec.PreNorm is null ? 0 : NativeBuffer.Align(spec.InputWidth), even, odd, up, plainLast ? 0 : NativeBuffer.Align(spec.OutputWidth));
    }

    private readonly record struct RowWidths(long Normalized, long Even, long Odd, long Up, long Branch)
    {
        public long Total => Math.Max(1, Normalized + Even + Odd + Up + Branch);
    }
}
