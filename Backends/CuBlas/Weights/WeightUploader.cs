using System.Runtime.InteropServices;
using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.Storage;
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
    private float[] _rows = [];
    private float[] _scales = [];

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

    /// <summary>Encodes and uploads a matrix.</summary>
    /// <param name="tensor">The matrix.</param>
    /// <param name="source">Where its rows come from.</param>
    /// <param name="encoder">Brings them into the format.</param>
    /// <param name="format">The format.</param>
    /// <param name="target">Padded rows.</param>
    /// <param name="scales">A float32 a row, where the format has scales.</param>
    public void UploadMatrix(
        FfnTensor tensor, IFfnWeightSource source, WeightEncoder encoder, DeviceFormat format, DeviceRegion target, DeviceRegion scales)
    {
        int rowBytes = checked(DeviceFormat.Padded(tensor.Columns) * format.OperandBytes);
        int piece = (int)Math.Clamp(PieceBytes / ((long)tensor.Columns * sizeof(float)), 1, tensor.Rows);
        Reserve(checked(piece * tensor.Columns), piece);
        for (int first = 0; first < tensor.Rows; first += piece)
        {
            int count = Math.Min(piece, tensor.Rows - first);
            Span<float> rows = _rows.AsSpan(0, count * tensor.Columns);
            source.ReadRows(tensor, first, rows);
            Span<byte> staged = Stage((long)count * rowBytes);
            encoder.Encode(tensor, first, rows, staged, _scales);
            Upload(target.Slice((long)first * rowBytes, staged.Length));
            if (format.IsScaled)
            {
                Upload(MemoryMarshal.AsBytes(_scales.AsSpan(0, count)), scales.Slice((long)first * sizeof(float), (long)count * sizeof(float)));
            }
        }
    }

    /// <summary>Uploads a vector, once more in the operands' type, rounded, where that is asked for.</summary>
    /// <exception cref="NotSupportedException">The operands' type cannot hold a number.</exception>
    public void UploadVector(FfnTensor tensor, IFfnWeightSource source, DeviceRegion target, DeviceRegion asOperands, DeviceFormat format)
    {
        Reserve(tensor.Columns, 1);
        Span<float> values = _rows.AsSpan(0, tensor.Columns);
        source.ReadRows(tensor, 0, values);
        Upload(MemoryMarshal.AsBytes(values), target.Slice(0, (long)values.Length * sizeof(float)));
        if (asOperands.Bytes > 0)
        {
            byte[] operands = new byte[checked(values.Length * format.OperandBytes)];
            for (int i = 0; i < values.Length; i++)
            {
                float stored = WeightEncoder.Store(format, values[i], operands.AsSpan(i * format.OperandBytes));
                if (float.IsFinite(values[i]) && !float.IsFinite(stored))
                {
                    throw RoundingLoss.Refusal(format.Precision, tensor, 0, i, values[i]);
                }
            }

            Upload(operands, asOperands.Slice(0, operands.Length));
        }
    }

    /// <summary>Waits for what was queued before something failed, so that its memory can be freed.</summary>
    public void Abandon() => Settling.Wait(_stream);

    /// <inheritdoc/>
    public void Dispose()
    {
        _staging?.Dispose();
        _stream.Dispose();
    }

    private void Reserve(int elements, int rows)
    {
        if (_rows.Length < elements)
        {
            _rows = new float[elements];
        }

        if (_scales.Length < rows)
        {
            _scales = new float[rows];
        }
    }

    private void Upload(ReadOnlySpan<byte> bytes, DeviceRegion target)
    {
        bytes.CopyTo(Stage(bytes.Length));
        Upload(target);
    }

    // What was staged; the staging memory is free again when this returns.
    private void Upload(DeviceRegion target)
    {
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
