using NativeFfn.Backends.Cpu.Memory;

namespace NativeFfn.Backends.Cpu.Experts;

/// <summary>The rows between the steps of a mixture's forward. All have d_model columns but the logits.</summary>
internal sealed unsafe class MixtureScratch : IDisposable
{
    // Tokens run at a time: as many as can share one reading of an expert's weights, while their rows stay within these bytes.
    private const int MaxChunkTokens = 2048;
    private const int MinChunkTokens = 64;
    private const long ChunkBytes = 64 * 1024 * 1024;

    private NativeBuffer? _memory;

    /// <summary>The input after the block's norm.</summary>
    public Matrix Normalized { get; private set; }

    /// <summary>One logit for each token and expert.</summary>
    public Matrix Logits { get; private set; }

    /// <summary>The rows that go to one expert.</summary>
    public Matrix Gathered { get; private set; }

    /// <summary>What an expert makes of them.</summary>
    public Matrix Result { get; private set; }

    /// <summary>The sum of all that was made of a token.</summary>
    public Matrix Sum { get; private set; }

    /// <summary>Tokens of a chunk; all chunks of a forward are about the same size.</summary>
    public static int ChunkTokens(FfnSpec spec, int tokens)
    {
        long most = Math.Clamp(ChunkBytes / (Width(spec) * sizeof(float)), MinChunkTokens, MaxChunkTokens);
        long chunks = (tokens + most - 1) / most;
        return (int)((tokens + chunks - 1) / chunks);
    }

    /// <summary>Makes room for chunks of a mixture; allocates only where there was never so much.</summary>
    public void Reserve(FfnSpec spec, int chunkTokens)
    {
        long elements = chunkTokens * Width(spec);
        if (_memory is null || _memory.Elements < elements)
        {
            _memory?.Dispose();
            _memory = null;
            _memory = new NativeBuffer(elements, $"{chunkTokens} rows of {spec}");
        }

        float* place = _memory.Pointer;
        long width = NativeBuffer.Align(spec.InputWidth);
        Normalized = Carve(width);
        Gathered = Carve(width);
        Result = Carve(width);
        Sum = Carve(width);
        Logits = Carve(NativeBuffer.Align(spec.Mixture!.Experts));

        Matrix Carve(long stride)
        {
            var rows = new Matrix(place, stride);
            place += chunkTokens * stride;
            return rows;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _memory?.Dispose();

    private static long Width(FfnSpec spec) => (4 * NativeBuffer.Align(spec.InputWidth)) + NativeBuffer.Align(spec.Mixture!.Experts);
}
