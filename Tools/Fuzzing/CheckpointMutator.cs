using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text;

namespace NativeFfn.Fuzzing;

/// <summary>Makes damaged checkpoints of the seeds, the same sequence for the same seed.</summary>
/// <param name="seed">Any number.</param>
/// <param name="prefix">How the names begin of the seeds to start from; all without.</param>
public sealed class CheckpointMutator(ulong seed, string prefix = "")
{
    private const int MaxMutations = 4;

    private static readonly ImmutableArray<string> Tokens =
    [
        "{", "}", "[", "]", ",", ":", "\"", "null", "true", "NaN", "-1", "-0", "1.0", "1e9", "0", "4294967296", "2147483648",
        "9223372036854775807",
        "9223372036854775808", "18446744073709551615", "\"dtype\":\"F32\"", "\"dtype\":\"F64\"", "\"F4\"", "\"BF16\"", "\"shape\":[]",
        "\"data_offsets\":[0,0]", "[4294967296,4294967296]", "[[[[", "\"__metadata__\":{\"a\":1}", "\"__metadata__\":{}", "\\ud800",
        "\\u0000",
        "\"bits\":3", "\"group_size\":-1", "\"I32\"", "\"U8\"", "\"F8_E4M3\"",
        "\"a\":", " ", "\n", "\u00e4", "\"hidden_size\":0", "\"model_type\":\"bert\"", "\"hidden_act\":\"gelu\"",
    ];

    private static readonly ImmutableArray<ulong> Lengths =
        [0, 1, 2, 7, 100_000_000, 100_000_001, int.MaxValue, uint.MaxValue, long.MaxValue, 1UL << 63, ulong.MaxValue];

    private readonly ImmutableArray<byte[]> _seeds =
        [.. SeedCorpus.All.Where(seed => seed.Name.StartsWith(prefix, StringComparison.Ordinal)).Select(static seed => seed.Bytes)];

    private readonly Random _random = new((int)(seed % int.MaxValue));

    /// <summary>The next input.</summary>
    public byte[] Next()
    {
        byte[] seedBytes = _seeds[_random.Next(_seeds.Length)];
        return seedBytes.AsSpan().StartsWith("GGUF"u8) ? NextBinary([.. seedBytes]) : NextText(seedBytes);
    }

    private byte[] NextText(byte[] seedBytes)
    {
        // A model's configuration stands before its file; the header's length is where the file starts.
        int start = seedBytes[0] == (byte)'{' && seedBytes.AsSpan().Contains((byte)0) ? Array.IndexOf(seedBytes, (byte)0) + 1 : 0;
        var config = new List<byte>(seedBytes[..start]);
        int headerEnd = start + sizeof(ulong) + (int)BinaryPrimitives.ReadUInt64LittleEndian(seedBytes.AsSpan(start));
        var header = new List<byte>(seedBytes[(start + sizeof(ulong))..headerEnd]);
        var data = new List<byte>(seedBytes[headerEnd..]);
        ulong? length = null;
        for (int i = Mutations(); i > 0; i--)
        {
            switch (_random.Next(10))
            {
                case 0 or 1:
                    Mutate(data);
                    break;
                case 2 when _random.Next(3) == 0:
                    length = _random.Next(2) == 0 ? Lengths[_random.Next(Lengths.Length)] : (ulong)(header.Count + _random.Next(-9, 10));
                    break;
                case 3 or 4 or 5 when config.Count > 0:
                    Mutate(config);
                    break;
                default:
                    Mutate(header);
                    break;
            }
        }

        byte[] prefix = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, length ?? (ulong)header.Count);
        byte[] bytes = [.. config, .. prefix, .. header, .. data];
        return _random.Next(12) == 0 ? bytes[.._random.Next(bytes.Length + 1)] : bytes;
    }

    // A header of lengths, counts and numbers of types: the end is data, which little depends on.
    private byte[] NextBinary(List<byte> bytes)
    {
        for (int i = Mutations(); i > 0; i--)
        {
            int at = _random.Next(bytes.Count);
            int count = Math.Min(_random.Next(1, 16), bytes.Count - at);
            switch (_random.Next(7))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << _random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)_random.Next(256);
                    break;
                case 2:
                    bytes[at] += (byte)(_random.Next(2) == 0 ? 1 : 255);
                    break;
                case 3 when bytes.Count > count:
                    bytes.RemoveRange(at, count);
                    break;
                case 4:
                    bytes.InsertRange(_random.Next(bytes.Count + 1), bytes.GetRange(at, count));
                    break;
                default:
                    byte[] number = BitConverter.GetBytes(Lengths[_random.Next(Lengths.Length)]);
                    number.AsSpan(0, Math.Min(_random.Next(2) == 0 ? sizeof(uint) : sizeof(ulong), bytes.Count - at)).CopyTo(
                        CollectionsMarshal.AsSpan(bytes)[at..]);
                    break;
            }
        }

        return _random.Next(12) == 0 ? [.. bytes[.._random.Next(bytes.Count + 1)]] : [.. bytes];
    }

    // Half have one: what has several seldom is read to the end.
    private int Mutations() => _random.Next(2) == 0 ? 1 : _random.Next(1, MaxMutations + 1);

    private void Mutate(List<byte> bytes)
    {
        int at = _random.Next(bytes.Count + 1);
        switch (_random.Next(10))
        {
            case < ByteDamage.Kinds and var kind:
                ByteDamage.Apply(bytes, kind, _random);
                break;
            case >= 6 when FindDigit(bytes, at) is { } digit:
                bytes[digit] = (byte)('0' + _random.Next(10));
                break;
            case 5 when FindDigit(bytes, at) is { } digit:
                bytes.RemoveAt(digit);
                bytes.InsertRange(digit, Encoding.UTF8.GetBytes(Tokens[_random.Next(Tokens.Length)]));
                break;
            default:
                bytes.InsertRange(at, Encoding.UTF8.GetBytes(Tokens[_random.Next(Tokens.Length)]));
                break;
        }
    }

    private static int? FindDigit(List<byte> bytes, int from)
    {
        int found = bytes.FindIndex(from, static letter => letter is >= (byte)'0' and <= (byte)'9');
        return found < 0 ? null : found;
    }
}
