using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace NativeFfn.Checkpoints.Files.Gguf;

/// <summary>Reads the numbers and texts of a GGUF header in order; nothing is asked for that the rest of the file cannot hold.</summary>
internal sealed class GgufReader(TensorData data)
{
    private const int BufferBytes = 64 * 1024;

    private readonly byte[] _buffer = new byte[(int)Math.Min(BufferBytes, data.Length)];
    private long _bufferStart;
    private int _buffered;

    /// <summary>The next byte.</summary>
    public long Position { get; private set; }

    /// <summary>Bytes up to the file's end.</summary>
    public long Rest => data.Length - Position;

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Next(sizeof(uint)));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Next(sizeof(ulong)));

    /// <summary>The next bytes, valid until the next call.</summary>
    /// <param name="count">At most 8.</param>
    public ReadOnlySpan<byte> Next(int count)
    {
        Require((ulong)count);
        if (Position < _bufferStart || Position + count > _bufferStart + _buffered)
        {
            _bufferStart = Position;
            _buffered = (int)Math.Min(_buffer.Length, Rest);
            data.Read(_buffer.AsSpan(0, _buffered), Position);
        }

        ReadOnlySpan<byte> found = _buffer.AsSpan((int)(Position - _bufferStart), count);
        Position += count;
        return found;
    }

    /// <summary>Passes over bytes.</summary>
    public void Skip(ulong count)
    {
        Require(count);
        Position += (long)count;
    }

    /// <summary>Goes back to a place that was read before.</summary>
    public void Rewind(long position) => Position = position;

    /// <summary>A count of things of which each takes some bytes of the rest of the file.</summary>
    public int Count(string what, int minBytes, int limit)
    {
        ulong count = UInt64();
        return count <= (ulong)(Rest / minBytes) && count <= (ulong)limit
            ? (int)count
            : throw Error($"the header claims {count} {what}; {Math.Min(Rest / minBytes, limit)} are the most that it can have");
    }

    /// <summary>A text of a length in front.</summary>
    public string Text(string what, int limit)
    {
        ulong length = UInt64();
        if (length > (ulong)Math.Min(limit, Rest))
        {
            throw Error($"{what} is {length} bytes long; {Math.Min(limit, Rest)} are the most that it can have");
        }

        byte[] bytes = new byte[length];
        data.Read(bytes, Position);
        Position += bytes.Length;
        return Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : throw Error($"{what} is not valid UTF-8");
    }

    /// <summary>The refusal of a sound file, with the remedy.</summary>
    public CheckpointException Refusal(string problem) => new($"{data.Path}: {problem}.");

    /// <summary>The refusal of a damaged file.</summary>
    public CheckpointException Error(string problem) => new($"{data.Path}: {problem}. The file is damaged or of an unknown kind; get it again.");

    private void Require(ulong count)
    {
        if (count > (ulong)Rest)
        {
            throw Error($"the header goes on past the end of the file, by {count - (ulong)Rest} bytes; it was cut short");
        }
    }
}
