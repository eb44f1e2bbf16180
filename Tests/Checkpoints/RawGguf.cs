using System.Text;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Makes the bytes of GGUF files, valid or not, without the product's reader. Dimensions are given row-major.</summary>
internal sealed class RawGguf
{
    private readonly List<(string Name, uint Type, long[] Shape, byte[] Bytes, ulong? Offset)> _tensors = [];
    private readonly List<byte[]> _keys = [];

    public uint Version { get; set; } = 3;

    public int Alignment { get; set; } = 32;

    public ulong? ClaimedTensors { get; set; }

    public ulong? ClaimedKeys { get; set; }

    public static byte[] Text(string text) => [.. BitConverter.GetBytes((ulong)Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];

    /// <summary>A key with any value type and bytes.</summary>
    public RawGguf Key(string key, uint type, params byte[] value)
    {
        _keys.Add([.. Text(key), .. BitConverter.GetBytes(type), .. value]);
        return this;
    }

    public RawGguf Key(string key, uint value) => Key(key, 4, BitConverter.GetBytes(value));

    public RawGguf Key(string key, float value) => Key(key, 6, BitConverter.GetBytes(value));

    public RawGguf Key(string key, string value) => Key(key, 8, Text(value));

    public RawGguf Tensor(string name, uint type, long[] shape, byte[] bytes, ulong? offset = null)
    {
        _tensors.Add((name, type, shape, bytes, offset));
        return this;
    }

    public RawGguf Floats(string name, long[] shape, params float[] values) => Tensor(name, 0, shape, RawCheckpoint.Bytes(values));

    public byte[] File()
    {
        var file = new List<byte>();
        file.AddRange("GGUF"u8.ToArray());
        file.AddRange(BitConverter.GetBytes(Version));
        file.AddRange(BitConverter.GetBytes(ClaimedTensors ?? (ulong)_tensors.Count));
        file.AddRange(BitConverter.GetBytes(ClaimedKeys ?? (ulong)_keys.Count));
        file.AddRange(_keys.SelectMany(static key => key));
        var data = new List<byte>();
        foreach ((string name, uint type, long[] shape, byte[] bytes, ulong? offset) in _tensors)
        {
            file.AddRange([.. Text(name), .. BitConverter.GetBytes((uint)shape.Length)]);
            file.AddRange(shape.Reverse().SelectMany(BitConverter.GetBytes));
            file.AddRange([.. BitConverter.GetBytes(type), .. BitConverter.GetBytes(offset ?? (ulong)data.Count)]);
            data.AddRange(bytes);
            Pad(data);
        }

        Pad(file);
        return [.. file, .. data];
    }

    private void Pad(List<byte> bytes) => bytes.AddRange(new byte[(Alignment - (bytes.Count % Alignment)) % Alignment]);
}
