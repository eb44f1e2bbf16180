using System.Collections.Immutable;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Weights;

/// <summary>The offsets of a network's tensors in its memory, in an engine's format. Networks of one shape have one in common.</summary>
/// <remarks>A gated stage's matrices, biases and scales lie side by side, each half padded, so that one GEMM gives [gate | up].</remarks>
internal sealed class WeightLayout
{
    private readonly ImmutableArray<(MemoryPart Weights, MemoryPart Bias, MemoryPart Scales, MemoryPart OperandBias)> _stages;

    /// <summary>Lays out every tensor of a network's stages.</summary>
    /// <param name="spec">The network.</param>
    /// <param name="format">How its matrices are kept.</param>
    public WeightLayout(FfnSpec spec, DeviceFormat format)
    {
        Spec = spec;
        Format = format;
        var layout = default(DeviceLayout);
        var stages = ImmutableArray.CreateBuilder<(MemoryPart, MemoryPart, MemoryPart, MemoryPart)>(spec.Stages.Length);
        foreach (FfnStage stage in spec.Stages)
        {
            long rows = checked((long)DeviceFormat.Padded(stage.Width) * stage.ProjectionCount);
            bool hasOperandBias = stage.HasBias && format.HasEpilogue(stage) && stages.Count < spec.Stages.Length - 1;
            stages.Add((
                layout.Add(checked(rows * DeviceFormat.Padded(stage.InputWidth)), format.OperandBytes),
                layout.Add(stage.HasBias ? rows : 0, sizeof(float)),
                layout.Add(format.IsScaled ? rows : 0, sizeof(float)),
                layout.Add(hasOperandBias ? rows : 0, format.OperandBytes)));
        }

        _stages = stages.MoveToImmutable();
        Bytes = layout.Bytes;
    }

    /// <summary>The network.</summary>
    public FfnSpec Spec { get; }

    /// <summary>How its matrices are kept.</summary>
    public DeviceFormat Format { get; }

    /// <summary>Bytes of the whole, a multiple of <see cref="DeviceLayout.Alignment"/>.</summary>
    public long Bytes { get; }

    /// <summary>The stages in a network's memory.</summary>
    public ImmutableArray<DeviceStage> In(DeviceRegion memory) =>
    [
        .. _stages.Select((parts, index) => new DeviceStage(
            Spec.Stages[index], parts.Weights.In(memory), parts.Bias.In(memory), parts.Scales.In(memory), parts.OperandBias.In(memory))),
    ];
}
