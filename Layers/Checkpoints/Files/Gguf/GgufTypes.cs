using System.Collections.Frozen;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Files.Gguf;

/// <summary>A type of tensors.</summary>
/// <param name="Name">Its name in ggml.</param>
/// <param name="Columns">Elements of a block.</param>
/// <param name="Bytes">Bytes of a block in the file.</param>
/// <param name="Encoding">How its rows are handed out; null where weights are not read from it.</param>
internal sealed record GgufType(string Name, int Columns, int Bytes, WeightEncoding? Encoding = null);

/// <summary>The types of tensors by their numbers. A file may hold any of them beside the weights that are read.</summary>
internal static class GgufTypes
{
    /// <summary>The types that weights are read from, in words.</summary>
    public const string ReadableList = "F32, F16, BF16 and Q8_0";

    /// <summary>32 weights of a float16 scale and as many int8, which are handed out as blocks of <see cref="WeightEncodings.Int8"/>.</summary>
    public const string Quantised8 = "Q8_0";

    private static readonly FrozenDictionary<uint, GgufType> All = new Dictionary<uint, GgufType>
    {
        [0] = new("F32", 1, 4, WeightEncodings.Float32), [1] = new("F16", 1, 2, WeightEncodings.Float16),
        [30] = new("BF16", 1, 2, WeightEncodings.BFloat16), [8] = new(Quantised8, 32, 34, WeightEncodings.Int8),
        [2] = new("Q4_0", 32, 18), [3] = new("Q4_1", 32, 20), [6] = new("Q5_0", 32, 22), [7] = new("Q5_1", 32, 24), [9] = new("Q8_1", 32, 36),
        [10] = new("Q2_K", 256, 84), [11] = new("Q3_K", 256, 110), [12] = new("Q4_K", 256, 144), [13] = new("Q5_K", 256, 176),
        [14] = new("Q6_K", 256, 210), [15] = new("Q8_K", 256, 292), [16] = new("IQ2_XXS", 256, 66), [17] = new("IQ2_XS", 256, 74),
        [18] = new("IQ3_XXS", 256, 98), [19] = new("IQ1_S", 256, 50), [20] = new("IQ4_NL", 32, 18), [21] = new("IQ3_S", 256, 110),
        [22] = new("IQ2_S", 256, 82), [23] = new("IQ4_XS", 256, 136), [24] = new("I8", 1, 1), [25] = new("I16", 1, 2), [26] = new("I32", 1, 4),
        [27] = new("I64", 1, 8), [28] = new("F64", 1, 8), [29] = new("IQ1_M", 256, 56), [34] = new("TQ1_0", 256, 54), [35] = new("TQ2_0", 256, 66),
        [39] = new("MXFP4", 32, 17), [40] = new("NVFP4", 64, 36), [41] = new("Q1_0", 128, 18), [42] = new("Q2_0", 64, 18),
    }.ToFrozenDictionary();

    /// <summary>A type by its number, or null.</summary>
    public static GgufType? Find(uint number) => All.GetValueOrDefault(number);
}
