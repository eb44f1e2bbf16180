using System.Numerics;
using NativeFfn.Backends.CuBlas.Gemm;
using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Queues cuBLASLt's GEMMs of a group.</summary>
internal static class GemmSteps
{
    /// <summary>Bytes that every matrix is aligned to at least.</summary>
    public const int LeastAlignment = 16;

    /// <summary>Queues one, unless cuBLASLt has no algorithm for it.</summary>
    /// <param name="group">The group.</param>
    /// <param name="stage">Whose weights are multiplied with.</param>
    /// <param name="use">What the result is.</param>
    /// <param name="operands">What is multiplied.</param>
    /// <param name="output">Receives the result.</param>
    /// <param name="outputStride">Elements from one row of it to the next.</param>
    /// <param name="residual">float32 rows that are added; may be the output.</param>
    public static bool TryQueue(
        in DeviceGroup group, int stage, GemmUse use, OperandRows operands, DeviceRegion output, long outputStride, DeviceRows residual = default)
    {
        DeviceStage weights = group.Network.Stages[stage];
        int alignment = Alignment(operands.Region.Address | output.Address | residual.Address);
        var key = new GemmKey(stage, group.Run.Tokens, use, operands.Stride, outputStride, residual.Stride, alignment);
        DeviceRegion added = residual.Region(group.Run.Tokens, weights.Shape.Width);
        if (group.Tunes)
        {
            Tune(group.Run.Slot, group.Network, key, operands.Region, added, output);
        }

        using PlanLease lease = group.Network.Plans.Rent(group.Run.Slot, key);
        if (lease.Plan is not { } plan)
        {
            return false;
        }

        Run(plan, group.Run.Slot, weights, operands.Region, added, output);
        group.Run.Clock?.Mark(FfnStep.Gemm);
        return true;
    }

    /// <summary>Queues one that cuBLASLt must have.</summary>
    /// <exception cref="NotSupportedException">It has not.</exception>
    public static void Queue(in DeviceGroup group, int stage, GemmUse use, OperandRows operands, DeviceRegion output, long outputStride)
    {
        if (!TryQueue(group, stage, use, operands, output, outputStride))
        {
            FfnStage shape = group.Network.Stages[stage].Shape;
            throw new NotSupportedException(
                $"cuBLASLt has no algorithm on {group.Run.Slot.Context.Device.Name} for {group.Run.Tokens} tokens of a {shape.InputWidth} -> {shape.Width} projection in {Names<FfnPrecision>.Of(group.Format.Precision)}. Use another precision, or backend mkl.");
        }
    }

    /// <summary>Whether cuBLASLt can write the rows where they are to lie, and add those that are to be added.</summary>
    public static bool CanWrite(DeviceRows output, DeviceRows residual, int tokens, int width) =>
        Alignment(output.Address | residual.Address) >= LeastAlignment
        && (residual.IsNone || residual == output || !residual.Region(tokens, width).Overlaps(output.Region(tokens, width)));

    // In a method of its own, as what it hands on is an object.
    private static void Tune(
        StreamSlot slot, DeviceNetwork network, GemmKey key, DeviceRegion operands, DeviceRegion added, DeviceRegion output) =>
        network.Plans.Tune(slot, key, plan => Run(plan, slot, network.Stages[key.Stage], operands, added, output));

    private static void Run(
        GemmPlan plan, StreamSlot slot, DeviceStage weights, DeviceRegion operands, DeviceRegion added, DeviceRegion output) =>
        plan.Matmul.Run(slot.Library, plan.Algorithm, weights.Weights, operands, added, output, slot.Workspace, slot.Stream);

    // The largest power of two that divides all addresses of which these are the bits, up to what memory of our own has.
    private static int Alignment(nint addresses) => 1 << BitOperations.TrailingZeroCount(addresses | DeviceLayout.Alignment);
}
