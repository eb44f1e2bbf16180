using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using NativeFfn.Cli.Conversion;

namespace NativeFfn.Cli.Options;

/// <summary>An element type that weights are stored in.</summary>
/// <param name="Name">Its spelling in options.</param>
/// <param name="SafetensorsName">Its spelling in a safetensors file.</param>
/// <param name="TorchName">Its spelling in <c>config.json</c>.</param>
/// <param name="Bytes">Bytes of one element.</param>
internal sealed record WeightType(string Name, string SafetensorsName, string TorchName, int Bytes)
{
    /// <summary>The type where none is named.</summary>
    public static WeightType Default => All[0];

    /// <summary>All types.</summary>
    public static ImmutableArray<WeightType> All { get; } =
    [
        new("f32", "F32", "float32", 4),
        new("bf16", "BF16", "bfloat16", 2),
        new("f16", "F16", "float16", 2),
        .. MatrixForm.All.Where(static form => form.Bits > 0).Select(static form => new WeightType(form.Name, "BF16", "bfloat16", 2) { Packed = form }),
    ];

    /// <summary>How matrices are packed as integers; null where they are elements of the type, as all else is.</summary>
    public MatrixForm? Packed { get; private init; }

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>Finds a type, ignoring case.</summary>
    public static bool TryParse(string name, [NotNullWhen(true)] out WeightType? type)
    {
        type = All.FirstOrDefault(candidate => string.Equals(candidate.Name, name, StringComparison.OrdinalIgnoreCase));
        return type is not null;
    }
}
