using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Memory for the inner rows of some tokens in one network.</summary>
internal readonly struct NetworkScratch
{
    private readonly OperandRows _operands;
    private readonly OperandRows _otherOperands;

    private NetworkScratch(OperandRows operands, OperandRows otherOperands) => (_operands, _otherOperands) = (operands, otherOperands);

    /// <summary>What a hidden stage's projection gives, <c>[tokens, projections × padded width]</c>.</summary>
    public DeviceRegion Products { get; private init; }

    /// <summary>float32 rows of the last projection where something follows it, <c>[tokens, padded width]</c>.</summary>
    public DeviceRegion Result { get; private init; }

    /// <summary>Lays it out in memory of at least <see cref="BytesOf"/>.</summary>
    public static NetworkScratch In(DeviceRegion memory, DeviceNetwork network, int tokens)
    {
        var layout = default(DeviceLayout);
        return Add(ref layout, memory, network, tokens);
    }

    /// <summary>Bytes that it takes.</summary>
    public static long BytesOf(DeviceNetwork network, int tokens)
    {
        var layout = default(DeviceLayout);
        _ = Add(ref layout, null, network, tokens);
        return layout.Bytes;
    }

    /// <summary>The operands of a projection, <c>[tokens, padded width]</c>, with a scale a token; the two slots take turns from stage to stage.</summary>
    /// <param name="slot">0 or 1.</param>
    public OperandRows Slot(int slot) => slot == 0 ? _operands : _otherOperands;

    private static NetworkScratch Add(ref DeviceLayout layout, DeviceRegion? memory, DeviceNetwork network, int tokens)
    {
        DeviceFormat format = network.Format;
        long operandColumns = 0;
        long productColumns = 0;
        foreach (DeviceStage stage in network.Stages)
        {
            operandColumns = Math.Max(operandColumns, stage.Columns);
            productColumns = Math.Max(productColumns, stage.Rows);
        }

        // The decode kernels' vectors lie in the operands' memory, and are no narrower.
        int operandBytes = Math.Max(format.OperandBytes, format.ProductBytes);
        int scaled = format.IsScaled ? tokens : 0;
        DeviceRegion operands = In(layout.Add(tokens * operandColumns, operandBytes));
        DeviceRegion otherOperands = In(layout.Add(tokens * operandColumns, operandBytes));
        DeviceRegion scales = In(layout.Add(scaled, sizeof(float)));
        DeviceRegion otherScales = In(layout.Add(scaled, sizeof(float)));
        return new NetworkScratch(new OperandRows(operands, 0, scales), new OperandRows(otherOperands, 0, otherScales))
        {
            Products = In(layout.Add(tokens * productColumns, format.ProductBytes)),
            Result = In(layout.Add((long)tokens * DeviceFormat.Padded(network.Spec.OutputWidth), sizeof(float))),
        };

        DeviceRegion In(MemoryPart part) => memory is { } given ? part.In(given) : default;
    }
}
