using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Parallel;

/// <summary>What of a tensor a rank has.</summary>
/// <param name="Tensor">The whole tensor.</param>
/// <param name="Rows">Its rows.</param>
/// <param name="Columns">Its columns.</param>
/// <param name="IsZero">Whether zeros stand for it, as another rank adds it to the sum.</param>
internal readonly record struct TensorShard(FfnTensor Tensor, Cut Rows, Cut Columns, bool IsZero = false)
{
    /// <summary>All of a tensor.</summary>
    public static TensorShard Whole(FfnTensor tensor) => new(tensor, new Cut(0, tensor.Rows), new Cut(0, tensor.Columns));

    /// <summary>Whether its rows are cut.</summary>
    public bool CutsColumns => Columns.Count != Tensor.Columns;
}

/// <summary>A rank's part of a layer's weights, read from a source of all of them; nothing else is read where the source can leave it.</summary>
/// <param name="source">The weights of the layer.</param>
/// <param name="shardOf">What the rank has for a tensor of its own layer.</param>
internal sealed class ShardSource(IFfnWeightSource source, Func<FfnTensor, TensorShard> shardOf) : IEncodedWeightSource
{
    private readonly IEncodedWeightSource? _encoded = source as IEncodedWeightSource;
    private readonly ConcurrentDictionary<TensorKey, WeightEncoding> _encodings = [];

    /// <inheritdoc/>
    public WeightEncoding EncodingOf(FfnTensor tensor) =>
        _encoded is null ? WeightEncodings.Float32 : _encodings.GetOrAdd(tensor.Key, _ => EncodingOf(shardOf(tensor)));

    /// <inheritdoc/>
    public void ReadBlocks(FfnTensor tensor, int firstRow, Span<byte> rows)
    {
        TensorShard shard = shardOf(tensor);
        if (_encoded is null || shard.IsZero)
        {
            ReadRows(tensor, firstRow, MemoryMarshal.Cast<byte, float>(rows));
        }
        else if (shard.CutsColumns)
        {
            _encoded.ReadBlocks(shard.Tensor, shard.Rows.First + firstRow, shard.Columns.First, shard.Columns.Count, rows);
        }
        else
        {
            _encoded.ReadBlocks(shard.Tensor, shard.Rows.First + firstRow, rows);
        }
    }

    /// <inheritdoc/>
    public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination)
    {
        TensorShard shard = shardOf(tensor);
        if (shard.IsZero)
        {
            destination.Clear();
        }
        else if (!shard.CutsColumns)
        {
            source.ReadRows(shard.Tensor, shard.Rows.First + firstRow, destination);
        }
        else if (_encoded is not null && !shard.Tensor.IsVector)
        {
            Decode(tensor, firstRow, destination);
        }
        else
        {
            ReadParts(shard, shard.Rows.First + firstRow, destination);
        }
    }

    private WeightEncoding EncodingOf(TensorShard shard)
    {
        WeightEncoding stored = _encoded!.EncodingOf(shard.Tensor);
        return shard.IsZero ? WeightEncodings.Float32
            : shard.CutsColumns ? stored.Cut(shard.Columns.First, shard.Columns.Count) : stored;
    }

    private void Decode(FfnTensor tensor, int firstRow, Span<float> destination)
    {
        WeightEncoding encoding = EncodingOf(tensor);
        int bytes = checked((int)encoding.RowBytes(tensor.Columns));
        byte[] row = ArrayPool<byte>.Shared.Rent(bytes);
        try
        {
            for (; !destination.IsEmpty; destination = destination[tensor.Columns..])
            {
                ReadBlocks(tensor, firstRow++, row.AsSpan(0, bytes));
                encoding.Decode(row.AsSpan(0, bytes), 0, destination[..tensor.Columns]);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(row);
        }
    }

    private void ReadParts(TensorShard shard, int row, Span<float> destination)
    {
        float[] whole = ArrayPool<float>.Shared.Rent(shard.Tensor.Columns);
        try
        {
            for (; !destination.IsEmpty; destination = destination[shard.Columns.Count..])
            {
                source.ReadRows(shard.Tensor, row++, whole.AsSpan(0, shard.Tensor.Columns));
                whole.AsSpan(shard.Columns.First, shard.Columns.Count).CopyTo(destination);
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(whole);
        }
    }
}
