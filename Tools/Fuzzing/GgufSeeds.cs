using System.Collections.Immutable;
using System.Text;

namespace NativeFfn.Fuzzing;

/// <summary>GGUF files with a model each; together they have every type of weights and of metadata.</summary>
internal static class GgufSeeds
{
    private const int Alignment = 32;

    // Number, columns and bytes of every type that weights have.
    private static readonly (uint Number, long Columns, int Bytes)[] Types =
    [
        (0, 1, 4), (1, 1, 2), (30, 1, 2), (28, 1, 8), (2, 32, 18), (3, 32, 20), (6, 32, 22), (7, 32, 24), (8, 32, 34), (20, 32,
        18), (39, 32, 17), (10, 256, 84), (11, 256, 110), (12, 256, 144), (13, 256, 176), (14, 256, 210), (16, 256, 66), (17, 256,
        74), (22, 256, 82), (18, 256, 98), (21, 256, 110), (19, 256, 50), (29, 256, 56), (23, 256, 136), (34, 256, 54), (35, 256,
        66), (40, 64, 36), (41, 128, 18), (42, 64, 18),
    ];

    /// <summary>Every seed with a name that may be a file's.</summary>
    public static ImmutableArray<(string Name, byte[] Bytes)> All { get; } =
    [
        ("gguf-llama", File(Llama(64, 1), Layer(64, 1, 40, 8, 2))),
        ("gguf-floats", File(Llama(2, 3), Layer(2, 3, 0, 1, 30))),
        ("gguf-experts", File(
            [.. Llama(32, 2), Number("llama.expert_count", 2), Number("llama.expert_used_count", 1)],
            [
                new("blk.0.ffn_gate_inp.weight", 0, 256, 2, 32), new("blk.0.ffn_gate_exps.weight", 39, 68, 2, 2, 32),
                new("blk.0.ffn_up_exps.weight", 20, 72, 2, 2, 32), new("blk.0.ffn_up_exps.scale", 0, 8, 2),
                new("blk.0.ffn_down_exps.weight", 1, 256, 2, 32, 2), new("blk.0.ffn_norm.weight", 0, 128, 32),
            ])),
        ("gguf-types", File(
            [
                .. Llama(2, 1), Key("a.u8", 0, 1), Key("a.i16", 3, 1, 2), Key("a.flag", 7, 1), Key("a.f64", 12, new byte[8]),
                Number("split.count", 1),
                Key("a.tokens", 9, [8, 0, 0, 0, .. BitConverter.GetBytes(2UL), .. Text("a"), .. Text("bc")]),
                Key("a.widths", 9, [5, 0, 0, 0, .. BitConverter.GetBytes(2UL), .. new byte[8]]), Number("general.alignment", Alignment),
            ],
            [
                .. Layer(2, 1, 0, 0, 0),
                .. Types.Select(static type => new Tensor("t." + type.Number, type.Number, 2 * type.Bytes, 2, type.Columns)),
            ])),
    ];

    private static byte[][] Llama(uint dModel, uint dFf) =>
    [
        Key("general.architecture", 8, Text("llama")), Number("llama.block_count", 1), Number("llama.embedding_length", dModel),
        Number("llama.feed_forward_length", dFf), Key("llama.attention.layer_norm_rms_epsilon", 6, BitConverter.GetBytes(1e-5f)),
    ];

    // The down projection has rows of d_ff weights, which are floats.
    private static Tensor[] Layer(long dModel, long dFf, uint gate, uint up, uint norm) =>
    [
        Matrix("blk.0.ffn_gate.weight", gate, dFf, dModel), Matrix("blk.0.ffn_up.weight", up, dFf, dModel),
        Matrix("blk.0.ffn_down.weight", 0, dModel, dFf), Matrix("blk.0.ffn_norm.weight", norm, dModel),
    ];

    private static Tensor Matrix(string name, uint type, params long[] shape)
    {
        (_, long columns, int bytes) = Types.Single(known => known.Number == type);
        return new Tensor(name, type, (int)(shape.Aggregate(1L, static (left, right) => left * right) / columns * bytes), shape);
    }

    private static byte[] Text(string text) => [.. BitConverter.GetBytes((ulong)text.Length), .. Encoding.ASCII.GetBytes(text)];

    private static byte[] Key(string key, uint type, params byte[] value) => [.. Text(key), .. BitConverter.GetBytes(type), .. value];

    private static byte[] Number(string key, uint value) => Key(key, 4, BitConverter.GetBytes(value));

    private static byte[] File(byte[][] keys, Tensor[] tensors)
    {
        List<byte> file = [.. "GGUF"u8, 3, 0, 0, 0];
        file.AddRange([.. BitConverter.GetBytes((ulong)tensors.Length), .. BitConverter.GetBytes((ulong)keys.Length)]);
        file.AddRange(keys.SelectMany(static key => key));
        var data = new List<byte>();
        foreach (Tensor tensor in tensors)
        {
            file.AddRange([.. Text(tensor.Name), .. BitConverter.GetBytes((uint)tensor.Shape.Length)]);
            file.AddRange(tensor.Shape.Reverse().SelectMany(BitConverter.GetBytes));
            file.AddRange([.. BitConverter.GetBytes(tensor.Type), .. BitConverter.GetBytes((ulong)data.Count)]);
            data.AddRange(Enumerable.Range(0, tensor.Bytes).Select(static i => (byte)i));
            Pad(data);
        }

        Pad(file);
        return [.. file, .. data];
    }

    private static void Pad(List<byte> bytes) => bytes.AddRange(new byte[(Alignment - (bytes.Count % Alignment)) % Alignment]);

    private sealed record Tensor(string Name, uint Type, int Bytes, params long[] Shape);
}
