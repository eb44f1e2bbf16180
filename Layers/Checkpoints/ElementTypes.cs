using System.Collections.Frozen;

namespace NativeFfn.Checkpoints;

/// <summary>The element types that safetensors files have.</summary>
internal static class ElementTypes
{
    public const string Float32 = "F32";
    public const string BFloat16 = "BF16";
    public const string Float16 = "F16";

    /// <summary>The types that can be read as float32 and written, in words.</summary>
    public const string ReadableList = "F32, BF16 and F16";

    // Types of less than a byte (F4, F6_E2M3, F6_E3M2) are left out: no offset in elements has a byte of its own.
    private static readonly FrozenDictionary<string, int> Sizes = new Dictionary<string, int>
    {
        ["BOOL"] = 1, ["U8"] = 1, ["I8"] = 1,
        ["F8_E4M3"] = 1, ["F8_E5M2"] = 1, ["F8_E8M0"] = 1, ["F8_E4M3FNUZ"] = 1, ["F8_E5M2FNUZ"] = 1,
        ["U16"] = 2, ["I16"] = 2, [Float16] = 2, [BFloat16] = 2,
        ["U32"] = 4, ["I32"] = 4, [Float32] = 4,
        ["U64"] = 8, ["I64"] = 8, ["F64"] = 8, ["C64"] = 8,
    }.ToFrozenDictionary();

    /// <summary>Bytes of one element, or 0 where the type is not known.</summary>
    public static int SizeOf(string type) => Sizes.GetValueOrDefault(type);

    /// <summary>Whether elements of the type can be read as float32.</summary>
    public static bool IsReadable(string type) => type is Float32 or BFloat16 or Float16;
}
