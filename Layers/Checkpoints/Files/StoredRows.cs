using System.Buffers;
using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Files;

/// <summary>The rows of one matrix or vector in a file. Safe for use by several threads at once.</summary>
/// <param name="encoding">How a row is stored.</param>
/// <param name="columns">Weights of a row.</param>
internal abstract class StoredRows(WeightEncoding encoding, int columns)
{
    // Bytes decoded at a time: fits a core's second-level cache, and is large enough for a read to cost its copy and little else.
    private const int StagingBytes = 256 * 1024;

    // The most bytes of one direct read, so that any number of floats can be read as bytes.
    private const int MaxDirectBytes = 1 << 30;

    /// <summary>How a row is stored.</summary>
    public WeightEncoding Encoding { get; } = encoding;

    /// <summary>The tensor whose rows these are, whole or in part; null where they are made of something else.</summary>
    public virtual TensorEntry? Tensor => null;

    /// <summary>Whether the tensor has the transpose of these rows.</summary>
    public virtual bool IsTransposed => false;

    /// <summary>Bytes of a row.</summary>
    public int RowBytes { get; } = checked((int)encoding.RowBytes(columns));

    /// <summary>Weights of a row.</summary>
    protected int Columns { get; } = columns;

    /// <summary>The rows of a whole tensor.</summary>
    /// <exception cref="CheckpointException">The file's type is none that is read.</exception>
    public static StoredRows Of(ITensorFile file, TensorEntry tensor) => Of(file, tensor, checked((int)tensor.Columns), 0);

    /// <summary>Rows of a tensor, from one of them on.</summary>
    /// <param name="file">The file.</param>
    /// <param name="tensor">The tensor.</param>
    /// <param name="columns">Weights of a row.</param>
    /// <param name="firstRow">The first row.</param>
    /// <param name="step">From a row to the next, in rows of the tensor: 2 where two matrices take turns.</param>
    public static StoredRows Of(ITensorFile file, TensorEntry tensor, int columns, long firstRow, long step = 1) =>
        new FileRows(file, tensor, EncodingOf(file, tensor), columns, firstRow, step);

    /// <summary>A vector that is part of a tensor, from an element on.</summary>
    public static StoredRows OfPart(ITensorFile file, TensorEntry tensor, int columns, long firstElement) =>
        new FileRows(file, tensor.AsColumn(), SingleWeights(file, tensor), columns, firstElement, 1);

    /// <summary>The rows of a matrix whose transpose is stored, turned as they are: bfloat16 stays bfloat16.</summary>
    /// <param name="file">The file.</param>
    /// <param name="tensor">The tensor.</param>
    /// <param name="rows">Rows of the matrix.</param>
    /// <param name="columns">Columns of the matrix.</param>
    /// <param name="steps">Where its elements lie in the tensor.</param>
    public static StoredRows OfTransposed(ITensorFile file, TensorEntry tensor, int rows, int columns, ElementSteps steps)
    {
        WeightEncoding encoding = SingleWeights(file, tensor);
        return encoding.BlockBytes switch
        {
            sizeof(ushort) => new TransposedRows<ushort>(file, tensor, encoding, rows, columns, steps),
            sizeof(uint) => new TransposedRows<uint>(file, tensor, encoding, rows, columns, steps),
            _ => new TransposedRows<ulong>(file, tensor, encoding, rows, columns, steps),
        };
    }

    /// <summary>A part of every row. What lies beside it in a file is not read, but where its encoding has headers or it is made of several tensors.</summary>
    /// <param name="firstColumn">The part's first column; a multiple of the encoding's <see cref="WeightEncoding.CutColumns"/>.</param>
    /// <param name="columns">Columns of the part; a multiple as well, unless it ends the row.</param>
    public virtual StoredRows Cut(int firstColumn, int columns) => new PartOfRows(this, firstColumn, columns);

    /// <summary>Reads consecutive rows as they are stored.</summary>
    /// <param name="firstRow">The first row wanted, from 0.</param>
    /// <param name="rows">Receives whole rows of <see cref="RowBytes"/> each.</param>
    public abstract void Read(long firstRow, Span<byte> rows);

    /// <summary>Reads consecutive rows as float32, exactly: NaNs and infinities stay what they are.</summary>
    /// <param name="firstRow">The first row wanted, from 0.</param>
    /// <param name="destination">Receives whole rows.</param>
    public void ReadFloats(long firstRow, Span<float> destination)
    {
        if (destination.IsEmpty)
        {
            return;
        }

        bool direct = Encoding == WeightEncodings.Float32;
        int rowsAtATime = Math.Clamp((direct ? MaxDirectBytes : StagingBytes) / RowBytes, 1, destination.Length / Columns);
        byte[] staging = direct ? [] : ArrayPool<byte>.Shared.Rent(rowsAtATime * RowBytes);
        try
        {
            while (!destination.IsEmpty)
            {
                Span<float> part = destination[..Math.Min(destination.Length, rowsAtATime * Columns)];
                int count = part.Length / Columns;
                if (direct)
                {
                    Read(firstRow, MemoryMarshal.AsBytes(part));
                }
                else
                {
                    Decode(firstRow, staging.AsSpan(0, count * RowBytes), part);
                }

                destination = destination[part.Length..];
                firstRow += count;
            }
        }
        finally
        {
            if (!direct)
            {
                ArrayPool<byte>.Shared.Return(staging);
            }
        }
    }

    private static WeightEncoding EncodingOf(ITensorFile file, TensorEntry tensor) => tensor.Encoding ?? throw new CheckpointException(
        $"{file.Path}: tensor {CheckpointText.Quote(tensor.Name)} has type {tensor.Type}; weights of {file.ReadableTypes} can be read. Convert the checkpoint.");

    // What is cut or turned within a row must have blocks of one weight each.
    private static WeightEncoding SingleWeights(ITensorFile file, TensorEntry tensor)
    {
        WeightEncoding encoding = EncodingOf(file, tensor);
        return encoding is { BlockColumns: 1, HeaderBytes: 0, BlockBytes: sizeof(ushort) or sizeof(uint) or sizeof(ulong) }
            ? encoding
            : throw new CheckpointException(
                $"{file.Path}: tensor {CheckpointText.Quote(tensor.Name)} has type {tensor.Type}, whose rows can be read whole only. Convert it to F32 or BF16.");
    }

    private void Decode(long firstRow, Span<byte> rows, Span<float> destination)
    {
        Read(firstRow, rows);
        for (; !rows.IsEmpty; rows = rows[RowBytes..])
        {
            Encoding.Decode(rows[..RowBytes], 0, destination[..Columns]);
            destination = destination[Columns..];
        }
    }

    private sealed class FileRows(ITensorFile file, TensorEntry tensor, WeightEncoding encoding, int columns, long first, long step)
        : StoredRows(encoding, columns)
    {
        // Rows of the tensor that make one of these: as many as it has elements where the tensor is read as a column.
        private readonly long _storedRows = columns / Math.Max(tensor.Columns, 1);

        public override TensorEntry? Tensor => tensor;

        public override StoredRows Cut(int firstColumn, int columns) => Encoding.HeaderBytes == 0 && tensor.Columns == Columns
            ? new BlocksOfRows(file, tensor, Encoding, columns, first, step, firstColumn / Encoding.BlockColumns)
            : base.Cut(firstColumn, columns);

        public override void Read(long firstRow, Span<byte> rows)
        {
            if (step == 1)
            {
                file.ReadBlocks(tensor, first + (firstRow * _storedRows), rows);
                return;
            }

            for (; !rows.IsEmpty; rows = rows[RowBytes..])
            {
                file.ReadBlocks(tensor, first + (firstRow++ * step), rows[..RowBytes]);
            }
        }
    }

    // Some blocks of every row: the tensor is read as rows of one block.
    private sealed class BlocksOfRows(
        ITensorFile file, TensorEntry tensor, WeightEncoding encoding, int columns, long first, long step, int firstBlock)
        : StoredRows(encoding, columns)
    {
        private readonly TensorEntry _blocks = tensor.AsBlocks();
        private readonly int _blocksOfRow = encoding.Blocks(checked((int)tensor.Columns));

        public override TensorEntry? Tensor => tensor;

        public override void Read(long firstRow, Span<byte> rows)
        {
            for (; !rows.IsEmpty; rows = rows[RowBytes..])
            {
                file.ReadBlocks(_blocks, ((first + (firstRow++ * step)) * _blocksOfRow) + firstBlock, rows[..RowBytes]);
            }
        }
    }

    private sealed class PartOfRows(StoredRows whole, int firstColumn, int columns)
        : StoredRows(whole.Encoding.Cut(firstColumn, columns), columns)
    {
        public override void Read(long firstRow, Span<byte> rows)
        {
            byte[] staging = ArrayPool<byte>.Shared.Rent(whole.RowBytes);
            try
            {
                for (; !rows.IsEmpty; rows = rows[RowBytes..])
                {
                    whole.Read(firstRow++, staging.AsSpan(0, whole.RowBytes));
                    whole.Encoding.CutRow(staging.AsSpan(0, whole.RowBytes), firstColumn, Columns, rows[..RowBytes]);
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(staging);
            }
        }
    }
}
