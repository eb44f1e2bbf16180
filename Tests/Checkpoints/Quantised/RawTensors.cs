using System.Buffers.Binary;
using System.Text.Json;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>The tensors of a file by name, as bytes: read by the tests themselves, or made by them.</summary>
internal sealed class RawTensors : Dictionary<string, (string Type, long[] Shape, byte[] Bytes)>
{
    public static RawTensors Load(string path)
    {
        byte[] file = System.IO.File.ReadAllBytes(path);
        int data = 8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(file);
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(8, data - 8));
        var tensors = new RawTensors();
        foreach (JsonProperty tensor in header.RootElement.EnumerateObject().Where(static field => field.Name != "__metadata__"))
        {
            JsonElement offsets = tensor.Value.GetProperty("data_offsets");
            tensors[tensor.Name] = (
                tensor.Value.GetProperty("dtype").GetString()!,
                [.. tensor.Value.GetProperty("shape").EnumerateArray().Select(static size => size.GetInt64())],
                file[(data + offsets[0].GetInt32())..(data + offsets[1].GetInt32())]);
        }

        return tensors;
    }

    public byte[] File() => RawCheckpoint.File([.. this.Select(static tensor => (tensor.Key, tensor.Value.Type, tensor.Value.Shape, tensor.Value.Bytes))]);

    public long[] Shape(string name) => this[name].Shape;

    public uint Word(string name, long index) => BinaryPrimitives.ReadUInt32LittleEndian(this[name].Bytes.AsSpan((int)(index * 4)));

    public byte Byte(string name, long index) => this[name].Bytes[index];

    /// <summary>An element of any float type, or of an 8-bit one that a caller names.</summary>
    public double Number(string name, long index, string? type = null)
    {
        (string stored, _, byte[] bytes) = this[name];
        return (type ?? stored) switch
        {
            "F8_E4M3" => SmallFloat(bytes[index], 4, 3, hasInfinity: false),
            "F8_E5M2" => SmallFloat(bytes[index], 5, 2, hasInfinity: true),
            "F8_E8M0" => bytes[index] == 255 ? double.NaN : Math.Pow(2, bytes[index] - 127),
            "F32" => TinySafetensors.Widen("F32", bytes.AsSpan((int)index * 4, 4))[0],
            var half => TinySafetensors.Widen(half, bytes.AsSpan((int)index * 2, 2))[0],
        };
    }

    private static double SmallFloat(byte bits, int exponentBits, int mantissaBits, bool hasInfinity)
    {
        int bias = (1 << (exponentBits - 1)) - 1;
        int top = (1 << exponentBits) - 1;
        int exponent = (bits >> mantissaBits) & top;
        int mantissa = bits & ((1 << mantissaBits) - 1);
        double sign = bits >= 128 ? -1 : 1;
        if (exponent == top && (hasInfinity || mantissa == (1 << mantissaBits) - 1))
        {
            return hasInfinity && mantissa == 0 ? sign * double.PositiveInfinity : double.NaN;
        }

        double fraction = mantissa * Math.Pow(2, -mantissaBits);
        return sign * (exponent == 0 ? fraction * Math.Pow(2, 1 - bias) : (1 + fraction) * Math.Pow(2, exponent - bias));
    }
}
