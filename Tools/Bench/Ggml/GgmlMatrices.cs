using NativeFfn.Backends.Encodings;
using NativeFfn.Bench.Subjects;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Ggml;

/// <summary>One copy of a layer's three matrices in ggml's memory, in the layout that its CPU backend asks for.</summary>
internal sealed unsafe class GgmlMatrices : IDisposable
{
    private readonly nint _context;
    private readonly nint _buffer;

    private GgmlMatrices(GgmlEncodedLayer layer, nint bufferType)
    {
        _context = GgmlLibrary.Init(new GgmlInit(3 * GgmlLibrary.TensorOverhead(), 0, NoData: 1));
        Gate = GgmlLibrary.NewTensor2d(_context, layer.Type, layer.Spec.DModel, layer.Spec.DFf);
        Up = GgmlLibrary.NewTensor2d(_context, layer.Type, layer.Spec.DModel, layer.Spec.DFf);
        Down = GgmlLibrary.NewTensor2d(_context, layer.Type, layer.Spec.DFf, layer.Spec.DModel);
        _buffer = GgmlLibrary.AllocContextTensors(_context, bufferType);
        if (_buffer == 0)
        {
            GgmlLibrary.Free(_context);
            throw new InsufficientMemoryException($"ggml has no memory for a copy of {layer.Spec}; take a smaller --shape.");
        }
    }

    /// <summary>W_gate <c>[d_ff, d_model]</c>.</summary>
    public nint Gate { get; }

    /// <summary>W_up <c>[d_ff, d_model]</c>.</summary>
    public nint Up { get; }

    /// <summary>W_down <c>[d_model, d_ff]</c>.</summary>
    public nint Down { get; }

    /// <summary>Makes a copy.</summary>
    /// <param name="layer">The encoded weights.</param>
    /// <param name="bufferType">The kind of memory, which may store weights in another order.</param>
    public static GgmlMatrices Create(GgmlEncodedLayer layer, nint bufferType)
    {
        var copy = new GgmlMatrices(layer, bufferType);
        foreach ((nint tensor, NativeBytes bytes) in new[] { (copy.Gate, layer.Gate), (copy.Up, layer.Up), (copy.Down, layer.Down) })
        {
            GgmlLibrary.TensorSet(tensor, bytes.Pointer, 0, (nuint)bytes.Length);
        }

        return copy;
    }

    /// <summary>
    /// The kind of memory that llama.cpp would choose: the first of the CPU's own kinds that can multiply by such matrices, which store
    /// several rows side by side, and else plain memory.
    /// </summary>
    public static nint ChooseBufferType(GgmlEncodedLayer layer)
    {
        nint registry = GgmlLibrary.CpuRegistry();
        nint device = GgmlLibrary.RegistryDevice(registry, 0);
        var extra = (delegate* unmanaged<nint, nint*>)GgmlLibrary.RegistryFunction(registry, "ggml_backend_dev_get_extra_bufts");
        for (nint* type = extra == null ? null : extra(device); type != null && *type != 0; type++)
        {
            using var trial = new GgmlMatrices(layer, *type);
            nint context = GgmlLibrary.Init(new GgmlInit(8 * GgmlLibrary.TensorOverhead(), 0, NoData: 1));
            nint wide = GgmlLibrary.MulMat(context, trial.Gate, GgmlLibrary.NewTensor2d(context, GgmlType.F32, layer.Spec.DModel, 1));
            nint narrow = GgmlLibrary.MulMat(context, trial.Down, GgmlLibrary.NewTensor2d(context, GgmlType.F32, layer.Spec.DFf, 1));
            bool can = GgmlLibrary.DeviceSupports(device, wide) != 0 && GgmlLibrary.DeviceSupports(device, narrow) != 0;
            GgmlLibrary.Free(context);
            if (can)
            {
                return *type;
            }
        }

        return GgmlLibrary.CpuBufferType();
    }

    public void Dispose()
    {
        GgmlLibrary.BufferFree(_buffer);
        GgmlLibrary.Free(_context);
    }
}

/// <summary>A layer's three matrices as ggml's quantiser encodes them, and what they lost.</summary>
internal sealed unsafe class GgmlEncodedLayer : IDisposable
{
    // Rows that are decoded at a time to see what was lost.
    private const int ErrorRows = 64;

    /// <summary>Encodes.</summary>
    /// <param name="weights">The layer.</param>
    /// <param name="type">The type.</param>
    /// <exception cref="NotSupportedException">A row is no whole number of the type's blocks.</exception>
    public GgmlEncodedLayer(LayerWeights weights, GgmlType type)
    {
        (Type, Spec) = (type, weights.Spec);
        long block = GgmlLibrary.GetTypeTraits(type)->BlockSize;
        if (Spec.DModel % block != 0 || Spec.DFf % block != 0)
        {
            throw new NotSupportedException(
                $"ggml's {type} has blocks of {block} weights, and rows of {Spec} are no whole number of them; take another --shape.");
        }

        Gate = Encode(weights.Gate, Spec.DFf, Spec.DModel);
        Up = Encode(weights.Up, Spec.DFf, Spec.DModel);
        Down = Encode(weights.Down, Spec.DModel, Spec.DFf);
    }

    /// <summary>The type.</summary>
    public GgmlType Type { get; }

    /// <summary>The layer.</summary>
    public FfnSpec Spec { get; }

    /// <summary>W_gate, rows of blocks.</summary>
    public NativeBytes Gate { get; }

    /// <summary>W_up, rows of blocks.</summary>
    public NativeBytes Up { get; }

    /// <summary>W_down, rows of blocks.</summary>
    public NativeBytes Down { get; }

    /// <summary>What the matrix that lost most has lost.</summary>
    public QuantizationError Error { get; private set; }

    /// <summary>Bytes of the three.</summary>
    public long ByteCount => Gate.Length + Up.Length + Down.Length;

    public void Dispose()
    {
        Gate.Dispose();
        Up.Dispose();
        Down.Dispose();
    }

    private NativeBytes Encode(AlignedFloats matrix, int rows, int columns)
    {
        GgmlTraits* traits = GgmlLibrary.GetTypeTraits(Type);
        long rowBytes = columns / traits->BlockSize * (long)traits->TypeSize;
        var encoded = new NativeBytes(rowBytes * rows);
        GgmlLibrary.QuantizeChunk(Type, matrix.Pointer, encoded.Pointer, 0, rows, columns, null);
        Error = QuantizationError.Worst(Error, Lost(matrix, encoded, rows, columns, rowBytes));
        return encoded;
    }

    private QuantizationError Lost(AlignedFloats matrix, NativeBytes encoded, int rows, int columns, long rowBytes)
    {
        QuantizationError error = default;
        delegate* unmanaged<void*, float*, long, void> decode = GgmlLibrary.GetTypeTraits(Type)->ToFloat;
        if (decode != null)
        {
            using var decoded = new AlignedFloats(ErrorRows * columns);
            for (int row = 0; row < rows; row += ErrorRows)
            {
                int count = Math.Min(ErrorRows, rows - row) * columns;
                decode(encoded.Pointer + (row * rowBytes), decoded.Pointer, count);
                error += LostWeights.Between(matrix.Span.Slice(row * columns, count), decoded.Span[..count]);
            }
        }

        return error;
    }
}
