using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Makes the bytes of checkpoint files, valid or not, without the product's writer.</summary>
internal static class RawCheckpoint
{
    /// <summary>A file of a header's text and data bytes; the length in front is the header's unless another is claimed.</summary>
    public static byte[] File(string header, int dataLength = 0, ulong? claimedLength = null) =>
        File(Encoding.UTF8.GetBytes(header), new byte[dataLength], claimedLength);

    public static byte[] File(byte[] header, byte[] data, ulong? claimedLength = null)
    {
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, claimedLength ?? (ulong)header.Length);
        return [.. prefix, .. header, .. data];
    }

    /// <summary>A valid file of tensors whose bytes are given.</summary>
    public static byte[] File(params (string Name, string Type, long[] Shape, byte[] Bytes)[] tensors)
    {
        var header = new StringBuilder("{");
        var data = new List<byte>();
        foreach ((string name, string type, long[] shape, byte[] bytes) in tensors)
        {
            header.Append(header.Length > 1 ? "," : "").Append(CultureInfo.InvariantCulture,
                $$"""
                "{{name}}":{"dtype":"{{type}}","shape":[{{string.Join(',', shape)}}],"data_offsets":[{{data.Count}},{{data.Count + bytes.Length}}]}
                """);
            data.AddRange(bytes);
        }

        return File(Encoding.UTF8.GetBytes(header.Append('}').ToString()), [.. data]);
    }

    /// <summary>A valid file of F32 tensors whose elements count up from 1, each tensor from where the one before it ended.</summary>
    public static byte[] Counting(params (string Name, long[] Shape)[] tensors)
    {
        int next = 1;
        return File([.. tensors.Select(tensor =>
        {
            float[] values = [.. Enumerable.Range(next, (int)tensor.Shape.Aggregate(1L, (a, b) => a * b)).Select(number => (float)number)];
            next += values.Length;
            return (tensor.Name, "F32", tensor.Shape, Bytes(values));
        })]);
    }

    public static byte[] Bytes(params float[] values) => [.. values.SelectMany(static value =>
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        return bytes;
    })];
}
