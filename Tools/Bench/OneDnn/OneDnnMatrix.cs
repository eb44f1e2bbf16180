using NativeFfn.Backends.Encodings;
using NativeFfn.Bench.Subjects;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.OneDnn;

/// <summary>A matrix of rounded weights, copies of it in the layout that oneDNN chooses for a number of tokens, and the product.</summary>
internal sealed unsafe class OneDnnMatrix : IDisposable
{
    // Each column of the product has a scale of its own.
    private const int ScalePerColumn = 1 << 1;

    private readonly RowRounding _rounding;
    private readonly nint _engine;
    private readonly nint _stream;
    private readonly int _rows;
    private readonly int _columns;
    private readonly NativeBytes _rounded;
    private readonly float[] _scales;
    private readonly List<(NativeBytes Bytes, nint Memory)> _copies = [];
    private OneDnnLayout _layout;
    private nint _primitive;
    private nint _source;
    private nint _destination;

    /// <summary>Rounds the weights.</summary>
    /// <param name="engine">The engine of the CPU.</param>
    /// <param name="stream">Its stream.</param>
    /// <param name="matrix">W, row-major <c>[rows, columns]</c>.</param>
    /// <param name="rows">Rows of W.</param>
    /// <param name="columns">Columns of W.</param>
    /// <param name="rounding">What it is rounded to, and what it is multiplied with.</param>
    public OneDnnMatrix(nint engine, nint stream, AlignedFloats matrix, int rows, int columns, RowRounding rounding)
    {
        (_engine, _stream, _rows, _columns, _rounding) = (engine, stream, rows, columns, rounding);
        _rounded = new NativeBytes((long)rows * RowBytes);
        _scales = new float[rows];
        var kept = new float[columns];
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> given = matrix.Span.Slice(row * columns, columns);
            var rounded = new Span<byte>(_rounded.Pointer + ((long)row * RowBytes), RowBytes);
            _scales[row] = rounding.Round(given, rounded);
            rounding.Widen(rounded, _scales[row], kept);
            Error += LostWeights.Between(given, kept);
        }
    }

    /// <summary>What was lost.</summary>
    public QuantizationError Error { get; }

    /// <summary>Bytes of one copy, scales included.</summary>
    public long ByteCount => _rounded.Length + (HasScales ? sizeof(float) * (long)_rows : 0);

    private bool HasScales => _rounding.Type == OneDnnType.Int8;

    private int RowBytes => _columns * _rounding.Bytes;

    /// <summary>Prepares the product for a number of tokens.</summary>
    /// <param name="input">Rounded rows <c>[tokens, columns]</c>.</param>
    /// <param name="output">x · Wᵀ <c>[tokens, rows]</c>, but for the scales of the tokens.</param>
    /// <param name="tokens">Rows of both.</param>
    /// <param name="copies">Copies of the weights.</param>
    /// <exception cref="NotSupportedException">oneDNN has no code for these types on this processor.</exception>
    public void Start(NativeBytes input, AlignedFloats output, int tokens, int copies)
    {
        Free();
        OneDnnLayout source = Plain(tokens, _columns, _rounding.Type);
        OneDnnLayout destination = Plain(tokens, _rows, OneDnnType.Float32);
        nint descriptor = Describe(&source, &destination);
        try
        {
            OneDnnLayout chosen = *OneDnnLibrary.DescriptorLayout(descriptor, OneDnnLibrary.WeightsLayout, 0);
            OneDnnLibrary.Require(OneDnnLibrary.PrimitiveCreate(out _primitive, descriptor), "dnnl_primitive_create");
            Pack(chosen, copies);
        }
        finally
        {
            _ = OneDnnLibrary.DescriptorDestroy(descriptor);
        }

        _source = Memory(&source, input.Pointer);
        _destination = Memory(&destination, output.Pointer);
    }

    /// <summary>Multiplies by a copy of the weights.</summary>
    public void Multiply(int copy) => Execute(_primitive,
    [
        new(OneDnnLibrary.Source, _source),
        new(OneDnnLibrary.Weights, _copies[copy].Memory),
        new(OneDnnLibrary.Destination, _destination),
    ]);

    public void Dispose()
    {
        Free();
        FreeCopies();
        _rounded.Dispose();
    }

    private static OneDnnLayout Plain(int rows, int columns, OneDnnType type) => Strided(rows, columns, type, columns, 1);

    private static OneDnnLayout Strided(int rows, int columns, OneDnnType type, int rowStride, int columnStride)
    {
        OneDnnLayout layout;
        long* sizes = stackalloc long[] { rows, columns };
        long* strides = stackalloc long[] { rowStride, columnStride };
        OneDnnLibrary.Require(OneDnnLibrary.LayoutByStrides(&layout, 2, sizes, type, strides), "dnnl_memory_desc_init_by_strides");
        return layout;
    }

    private nint Describe(OneDnnLayout* source, OneDnnLayout* destination)
    {
        OneDnnLayout weights;
        OneDnnMatmul matmul;
        long* sizes = stackalloc long[] { _columns, _rows };
        OneDnnLibrary.Require(
            OneDnnLibrary.LayoutByTag(&weights, 2, sizes, _rounding.Type, OneDnnLibrary.AnyFormat), "dnnl_memory_desc_init_by_tag");
        OneDnnLibrary.Require(OneDnnLibrary.MatmulInit(&matmul, source, &weights, null, destination), "dnnl_matmul_desc_init");
        OneDnnLibrary.Require(OneDnnLibrary.AttributesCreate(out nint attributes), "dnnl_primitive_attr_create");
        try
        {
            if (HasScales)
            {
                fixed (float* scales = _scales)
                {
                    OneDnnLibrary.Require(
                        OneDnnLibrary.AttributesSetOutputScales(attributes, _rows, ScalePerColumn, scales),
                        "dnnl_primitive_attr_set_output_scales");
                }
            }

            int status = OneDnnLibrary.DescriptorCreate(out nint descriptor, &matmul, attributes, _engine, 0);
            if (status == OneDnnLibrary.Unimplemented)
            {
                throw new NotSupportedException(
                    $"oneDNN has no product of {_rounding.Type} on this processor (bf16 needs AVX-512); leave it out with --subjects.");
            }

            OneDnnLibrary.Require(status, "dnnl_primitive_desc_create");
            return descriptor;
        }
        finally
        {
            _ = OneDnnLibrary.AttributesDestroy(attributes);
        }
    }

    // The layout seldom changes with the number of tokens, and then the copies stay.
    private void Pack(OneDnnLayout chosen, int copies)
    {
        fixed (OneDnnLayout* current = &_layout)
        {
            if (_copies.Count == copies && OneDnnLibrary.LayoutsEqual(current, &chosen) != 0)
            {
                return;
            }
        }

        FreeCopies();
        _layout = chosen;

        // Wᵀ as it lies there: a column of Wᵀ is a row of W.
        OneDnnLayout given = Strided(_columns, _rows, _rounding.Type, 1, _columns);
        OneDnnLibrary.Require(
            OneDnnLibrary.ReorderCreate(out nint descriptor, &given, _engine, &chosen, _engine, 0), "dnnl_reorder_primitive_desc_create");
        OneDnnLibrary.Require(OneDnnLibrary.PrimitiveCreate(out nint reorder, descriptor), "dnnl_primitive_create");
        nint from = Memory(&given, _rounded.Pointer);
        while (_copies.Count < copies)
        {
            var bytes = new NativeBytes((long)OneDnnLibrary.LayoutBytes(&chosen));
            nint memory = Memory(&chosen, bytes.Pointer);
            _copies.Add((bytes, memory));
            Execute(reorder, [new(OneDnnLibrary.Source, from), new(OneDnnLibrary.Destination, memory)]);
        }

        _ = OneDnnLibrary.MemoryDestroy(from);
        _ = OneDnnLibrary.PrimitiveDestroy(reorder);
        _ = OneDnnLibrary.DescriptorDestroy(descriptor);
    }

    private nint Memory(OneDnnLayout* layout, void* data)
    {
        OneDnnLibrary.Require(OneDnnLibrary.MemoryCreate(out nint memory, layout, _engine, data), "dnnl_memory_create");
        return memory;
    }

    private void Execute(nint primitive, ReadOnlySpan<OneDnnArgument> arguments)
    {
        fixed (OneDnnArgument* first = arguments)
        {
            OneDnnLibrary.Require(OneDnnLibrary.PrimitiveExecute(primitive, _stream, arguments.Length, first), "dnnl_primitive_execute");
            OneDnnLibrary.Require(OneDnnLibrary.StreamWait(_stream), "dnnl_stream_wait");
        }
    }

    private void Free()
    {
        if (_primitive != 0)
        {
            _ = OneDnnLibrary.PrimitiveDestroy(_primitive);
            _ = OneDnnLibrary.MemoryDestroy(_source);
            _ = OneDnnLibrary.MemoryDestroy(_destination);
            (_primitive, _source, _destination) = (0, 0, 0);
        }
    }

    private void FreeCopies()
    {
        foreach ((NativeBytes bytes, nint memory) in _copies)
        {
            _ = OneDnnLibrary.MemoryDestroy(memory);
            bytes.Dispose();
        }

        _copies.Clear();
    }
}
