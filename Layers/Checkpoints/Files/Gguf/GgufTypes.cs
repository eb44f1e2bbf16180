using System.Collections.Frozen;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Files.Gguf;

/// <summary>A type of tensors.</summary>
/// <param name="Name">Its name in ggml.</param>
/// <param name="Columns">Elements of a block.</param>
/// <param name="Bytes">Bytes of a block in the file.</param>
/// <param name="Encoding">How its rows are read; null where weights are not read from it.</param>
internal sealed record GgufType(string Name, int Columns, int Bytes, WeightEncoding? Encoding = null);

/// <summary>The types of tensors by their numbers. A file may hold any of them beside the weights that are read.</summary>
internal static class GgufTypes
{
    /// <summary>The types that weights are read from, in words.</summary>
    public const string ReadableList = "F32, F16, BF16, F64 and ggml's types for weights";

    // Integers are for tables, Q8_1 and Q8_K for activations while they are multiplied.
    private static readonly FrozenDictionary<uint, GgufType> All = new Dictionary<uint, GgufType>
    {
        [0] = Weights("F32"), [1] = Weights("F16"), [30] = Weights("BF16"), [28] = Weights("F64"),
        [2] = Weights("Q4_0"), [3] = Weights("Q4_1"), [6] = Weights("Q5_0"), [7] = Weights("Q5_1"), [8] = Weights("Q8_0"),
        [10] = Weights("Q2_K"), [11] = Weights("Q3_K"), [12] = Weights("Q4_K"), [13] = Weights("Q5_K"), [14] = Weights("Q6_K"),
        [16] = Weights("IQ2_XXS"), [17] = Weights("IQ2_XS"), [22] = Weights("IQ2_S"), [18] = Weights("IQ3_XXS"), [21] = Weights("IQ3_S"),
        [19] = Weights("IQ1_S"), [29] = Weights("IQ1_M"), [20] = Weights("IQ4_NL"), [23] = Weights("IQ4_XS"),
        [34] = Weights("TQ1_0"), [35] = Weights("TQ2_0"), [41] = Weights("Q1_0"), [42] = Weights("Q2_0"),
        [39] = Weights("MXFP4"), [40] = Weights("NVFP4"),
        [24] = new("I8", 1, 1), [25] = new("I16", 1, 2), [26] = new("I32", 1, 4), [27] = new("I64", 1, 8),
        [9] = new("Q8_1", 32, 36), [15] = new("Q8_K", 256, 292),
    }.ToFrozenDictionary();

    // The repacked ones held what a processor liked best; the two of 2023 were short-lived.
    private static readonly FrozenDictionary<uint, string> Removed = new Dictionary<uint, string>
    {
        [4] = "Q4_2", [5] = "Q4_3", [31] = "Q4_0_4_4", [32] = "Q4_0_4_8", [33] = "Q4_0_8_8",
        [36] = "IQ4_NL_4_4", [37] = "IQ4_NL_4_8", [38] = "IQ4_NL_8_8",
    }.ToFrozenDictionary();

    /// <summary>A type by its number, or null.</summary>
    public static GgufType? Find(uint number) => All.GetValueOrDefault(number);

    /// <summary>Why a type is not read that <see cref="Find"/> does not know, and what to do.</summary>
    public static string WhyNot(uint number) => Removed.TryGetValue(number, out string? name)
        ? $"has type {number}, {name}, which ggml removed; quantise the model again to a type of today"
        : $"has the unknown type {number}, of a fork or a later version of ggml; quantise the model to a type of ggml's own";

    private static GgufType Weights(string name)
    {
        WeightEncoding encoding = WeightEncodings.All.Single(known => known.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
        return new GgufType(name, encoding.BlockColumns, encoding.BlockBytes, encoding);
    }
}
