using System.Runtime.InteropServices;
using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Backends.Encodings;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Weights;

/// <summary>Carries weights to the device through a piece of pinned memory, so that no second copy of a layer ever exists on the host.</summary>
internal sealed unsafe class WeightUploader : IDisposable
{
    // Bytes of float32 rows that are read at a time, where a row is not longer: enough to keep the bus busy, little beside a layer.
    private const int PieceBytes = 4 * 1024 * 1024;

    private readonly CudaContext _context;
    private readonly DeviceAllocator _memory;
    private readonly CudaStream _stream;
    private PinnedMemory? _staging;
    private byte[] _rows = [];

    public WeightUploader(CudaContext context, DeviceAllocator memory)
    {
        _context = context;
        _memory = memory;
        _stream = context.CreateStream();
    }

    /// <summary>Fills a region with zeros.</summary>
    public void Clear(DeviceRegion region)
    {
        using CudaContext.Scope scope = _context.Enter();
        _stream.Fill(region, 0);
        _stream.Synchronize();
    }

    /// <summary>Uploads a matrix, converting it where it is not stored in the encoding.</summary>
    /// <param name="tensor">The matrix, or a vector that is a row of one.</param>
    /// <param name="source">Where its rows come from.</param>
    /// <param name="encoder">Reads them.</param>
    /// <param name="format">The device's format.</param>
    /// <param name="stage">Where the matrix goes.</param>
    /// <param name="firstRow">The first row's index among those of the stage.</param>
    public void UploadMatrix(
        FfnTensor tensor, IFfnWeightSource source, RowEncoder encoder, DeviceFormat format, DeviceStage stage, int firstRow)
    {
        long rowBytes = (long)stage.Columns * format.OperandBytes;
        int encodedBytes = checked((int)encoder.Encoding.RowBytes(tensor.Columns));
        int piece = (int)Math.Clamp(PieceBytes / ((long)tensor.Columns * sizeof(float)), 1, tensor.Rows);
        for (int first = 0; first < tensor.Rows; first += piece)
        {
            int count = Math.Min(piece, tensor.Rows - first);
            Span<byte> encoded = Rows(checked(count * encodedBytes));
            encoder.Read(source, tensor, first, encoded);
            long row = firstRow + first;
            Upload(encoded, encodedBytes, encoder.Encoding.HeaderBytes, stage.Weights.Slice(row * rowBytes, count * rowBytes), rowBytes);
            if (format.IsScaled)
            {
                // A row's scale is its header.
                DeviceRegion scales = stage.ChannelScales.Slice(row * sizeof(float), (long)count * sizeof(float));
                Upload(encoded, encodedBytes, 0, scales, sizeof(float));
            }
        }
    }

    /// <summary>Uploads a vector, once more in the operands' type, rounded, where that is asked for.</summary>
    /// <exception cref="NotSupportedException">The operands' type cannot hold a number.</exception>
    public void UploadVector(FfnTensor tensor, IFfnWeightSource source, DeviceRegion target, DeviceRegion asOperands, DeviceFormat format)
    {
        var values = new float[tensor.Columns];
        source.ReadRows(tensor, 0, values);
        Upload(MemoryMarshal.AsBytes(values.AsSpan()), target);
        if (asOperands.Bytes > 0)
        {
            Upload(Encode(format.Encoding, tensor, values), asOperands);
        }
    }

    /// <summary>Waits for what was queued before something failed, so that its memory can be freed.</summary>
    public void Abandon() => StreamDrain.Wait(_stream);

    /// <inheritdoc/>
    public void Dispose()
    {
        _staging?.Dispose();
        _stream.Dispose();
    }

    // What is not finite may stay so: a bias is no weight that a GEMM multiplies.
    private static byte[] Encode(WeightEncoding encoding, FfnTensor tensor, float[] values)
    {
        byte[] encoded = new byte[encoding.RowBytes(values.Length)];
        encoding.Encode(values, encoded);
        var stored = new float[values.Length];
        encoding.Decode(encoded, 0, stored);
        for (int i = 0; i < values.Length; i++)
        {
            if (float.IsFinite(values[i]) && !float.IsFinite(stored[i]))
            {
                throw RowEncoder.Refusal(encoding, tensor, 0, i, values[i]);
            }
        }

        return encoded;
    }

    private Span<byte> Rows(int bytes)
    {
        if (_rows.Length < bytes)
        {
            _rows = new byte[bytes];
        }

        return _rows.AsSpan(0, bytes);
    }

    private void Upload(ReadOnlySpan<byte> row, DeviceRegion target) => Upload(row, row.Length, 0, target.Slice(0, row.Length), row.Length);

    // Part of each row, from a column on, padded with zeros. The staging memory is free again when this returns.
    private void Upload(ReadOnlySpan<byte> rows, int stride, int first, DeviceRegion target, long targetStride)
    {
        Span<byte> staged = Stage(target.Bytes);
        int bytes = (int)Math.Min(stride - first, targetStride);
        if (bytes < targetStride)
        {
            staged.Clear();
        }

        for (int row = 0; row < rows.Length / stride; row++)
        {
            rows.Slice((row * stride) + first, bytes).CopyTo(staged[(int)(row * targetStride)..]);
        }

        using CudaContext.Scope scope = _context.Enter();
        _stream.CopyToDevice(_staging!.Pointer, target);
        _stream.Synchronize();
    }

    private Span<byte> Stage(long bytes)
    {
        if (_staging is null || _staging.Bytes < bytes)
        {
            _staging?.Dispose();
            _staging = null;
            _staging = _memory.AllocatePinned(bytes, "Weights on their way to the device");
        }

        return new Span<byte>(_staging.Pointer, checked((int)bytes));
    }
}
