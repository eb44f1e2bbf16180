using System.Buffers;
using System.Text;

namespace NativeFfn.Bench.Onnx;

/// <summary>The wire format of Protocol Buffers, as far as an ONNX graph needs it: https://protobuf.dev/programming-guides/encoding</summary>
internal sealed class ProtobufWriter
{
    private const int WireVarint = 0;
    private const int WireLengthDelimited = 2;

    // Seven bits of a number go into each byte; the eighth says that more follow.
    private const int GroupBits = 7;
    private const byte MoreFollow = 0x80;

    private readonly ArrayBufferWriter<byte> _bytes;

    /// <summary>An empty message.</summary>
    /// <param name="capacity">Bytes to make room for beforehand.</param>
    public ProtobufWriter(int capacity = 256) => _bytes = new ArrayBufferWriter<byte>(capacity);

    /// <summary>The message so far.</summary>
    public ReadOnlySpan<byte> Written => _bytes.WrittenSpan;

    /// <summary>An int32, int64 or enum.</summary>
    public ProtobufWriter Number(int field, long value)
    {
        Varint(((ulong)field << 3) | WireVarint);
        Varint((ulong)value);
        return this;
    }

    /// <summary>A string.</summary>
    public ProtobufWriter Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    /// <summary>Bytes.</summary>
    public ProtobufWriter Bytes(int field, ReadOnlySpan<byte> value)
    {
        Varint(((ulong)field << 3) | WireLengthDelimited);
        Varint((ulong)value.Length);
        _bytes.Write(value);
        return this;
    }

    /// <summary>A message within this one.</summary>
    public ProtobufWriter Message(int field, ProtobufWriter message) => Bytes(field, message.Written);

    private void Varint(ulong value)
    {
        for (; value >= MoreFollow; value >>= GroupBits)
        {
            Byte((byte)(value | MoreFollow));
        }

        Byte((byte)value);
    }

    private void Byte(byte value) => _bytes.Write([value]);
}
