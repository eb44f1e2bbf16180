using System.Collections.Immutable;
using System.Text.Json.Nodes;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Cli.Conversion;

/// <summary>A form that matrices are converted to: floats of a type, or integers as compressed-tensors packs them.</summary>
/// <param name="Name">The precision, as the command spells it.</param>
/// <param name="Type">The type of floats; null for integers.</param>
/// <param name="Bits">Bits of an integer; 0 for floats.</param>
/// <remarks>
/// Packed integers (compressed-tensors, format pack-quantized, symmetric, groups of 32): <c>weight_packed</c> I32 <c>[N, K · bits / 32]</c>,
/// each code plus 2^(bits - 1), the lowest bits first; <c>weight_scale</c> BF16 <c>[N, K / 32]</c>; <c>weight_shape</c> I64 <c>[2]</c> = N, K.
/// w = scale · q.
/// </remarks>
internal sealed record MatrixForm(string Name, string? Type, int Bits)
{
    private const string WeightEnding = ".weight";

    /// <summary>Every form.</summary>
    public static ImmutableArray<MatrixForm> All { get; } =
    [
        new("int4", null, 4),
        new("int8", null, 8),
        new("bf16", "BF16", 0),
        new("f16", "F16", 0),
        new("f32", "F32", 0),
    ];

    /// <summary>Finds a form by its name.</summary>
    public static bool TryParse(string word, out MatrixForm form)
    {
        form = All.FirstOrDefault(known => known.Name == word)!;
        return form is not null;
    }

    /// <summary>Why a stored tensor cannot take this form, or null where it can.</summary>
    public string? WhyNot(string name, ReadOnlySpan<long> shape, bool isTransposed) =>
        Bits == 0 ? null
        : shape.Length != 2 || isTransposed || !name.EndsWith(WeightEnding, StringComparison.Ordinal)
            ? "packed integers are for matrices [out, in] of their own, and this one is stacked or transposed; use bf16"
        : shape[1] % GroupQuantizer.Group != 0 ? $"its rows of {shape[1]} do not divide into groups of {GroupQuantizer.Group}; use bf16"
        : null;

    /// <summary>The tensors that a matrix becomes.</summary>
    public IEnumerable<(string Name, string Type, long[] Shape)> Declare(string name, long[] shape)
    {
        if (Type is not null)
        {
            return [(name, Type, shape)];
        }

        string module = ModuleOf(name);
        return
        [
            (module + ".weight_packed", "I32", [shape[0], shape[1] * Bits / 32]),
            (module + ".weight_scale", "BF16", [shape[0], shape[1] / GroupQuantizer.Group]),
            (module + ".weight_shape", "I64", [2]),
        ];
    }

    /// <summary>The module of a matrix.</summary>
    public static string ModuleOf(string name) => name[..^WeightEnding.Length];

    /// <summary>Packs a row of integers.</summary>
    /// <param name="weights">The row.</param>
    /// <param name="packed">Receives its codes.</param>
    /// <param name="scales">Receives its scales, as the bits of bfloat16.</param>
    /// <param name="decoded">Receives what the codes stand for.</param>
    /// <param name="plain">Whether to round to nearest and search nothing.</param>
    public void Pack(ReadOnlySpan<float> weights, Span<byte> packed, Span<ushort> scales, Span<float> decoded, bool plain = false)
    {
        int largest = (1 << (Bits - 1)) - 1;
        Span<sbyte> codes = stackalloc sbyte[GroupQuantizer.Group];
        for (int group = 0; group < scales.Length; group++)
        {
            int first = group * GroupQuantizer.Group;
            scales[group] = GroupQuantizer.Quantize(weights.Slice(first, GroupQuantizer.Group), largest, codes, plain);
            float scale = BFloat16Encoding.Widen(scales[group]);
            for (int i = 0; i < codes.Length; i++)
            {
                int code = codes[i] + largest + 1;
                int at = (first + i) * Bits / 8;
                packed[at] = (byte)(Bits == 8 || i % 2 == 0 ? code : packed[at] | (code << 4));
                decoded[first + i] = scale * codes[i];
            }
        }
    }

    /// <summary>What a configuration says of modules in this form; null for floats, which it says nothing of.</summary>
    /// <param name="modules">The modules.</param>
    public JsonObject? Describe(IEnumerable<string> modules) => Bits == 0 ? null : new JsonObject
    {
        ["quant_method"] = "compressed-tensors",
        ["format"] = "pack-quantized",
        ["quantization_status"] = "compressed",
        ["config_groups"] = new JsonObject
        {
            ["group_0"] = new JsonObject
            {
                ["targets"] = new JsonArray([.. modules.Order(StringComparer.Ordinal).Select(static module => (JsonNode)module!)]),
                ["weights"] = new JsonObject
                {
                    ["num_bits"] = Bits,
                    ["type"] = "int",
                    ["symmetric"] = true,
                    ["strategy"] = "group",
                    ["group_size"] = GroupQuantizer.Group,
                },
                ["input_activations"] = null,
                ["output_activations"] = null,
            },
        },
        ["ignore"] = new JsonArray(),
    };
}
