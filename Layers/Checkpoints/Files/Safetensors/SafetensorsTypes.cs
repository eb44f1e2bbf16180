using System.Collections.Frozen;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Files.Safetensors;

/// <summary>The element types that safetensors files have.</summary>
internal static class SafetensorsTypes
{
    /// <summary>The types that weights are read from, in words.</summary>
    public const string ReadableList = "F32, BF16, F16 and F64";

    /// <summary>The types that weights are written in, in words.</summary>
    public const string WritableList = "F32, BF16 and F16";

    // Types of less than a byte (F4, F6_E2M3, F6_E3M2) are left out: no offset in elements has a byte of its own.
    private static readonly FrozenDictionary<string, int> Sizes = new Dictionary<string, int>
    {
        ["BOOL"] = 1, ["U8"] = 1, ["I8"] = 1,
        ["F8_E4M3"] = 1, ["F8_E5M2"] = 1, ["F8_E8M0"] = 1, ["F8_E4M3FNUZ"] = 1, ["F8_E5M2FNUZ"] = 1,
        ["U16"] = 2, ["I16"] = 2, ["F16"] = 2, ["BF16"] = 2,
        ["U32"] = 4, ["I32"] = 4, ["F32"] = 4,
        ["U64"] = 8, ["I64"] = 8, ["F64"] = 8, ["C64"] = 8,
    }.ToFrozenDictionary();

    /// <summary>Bytes of one element, or 0 where the type is not known.</summary>
    public static int SizeOf(string type) => Sizes.GetValueOrDefault(type);

    /// <summary>The encoding of rows of a type, or null where weights are not read from it.</summary>
    public static WeightEncoding? EncodingOf(string type) => type switch
    {
        "F32" => WeightEncodings.Float32,
        "BF16" => WeightEncodings.BFloat16,
        "F16" => WeightEncodings.Float16,
        "F64" => WeightEncodings.Float64,
        _ => null,
    };
}
