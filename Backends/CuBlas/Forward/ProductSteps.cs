using System.Numerics;
using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Backends.CuBlas.Layers;
using NativeFfn.Backends.CuBlas.Products;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Queues cuBLASLt's products of a chunk.</summary>
internal static class ProductSteps
{
    /// <summary>Bytes that every matrix is aligned to at least.</summary>
    public const int LeastAlignment = 16;

    /// <summary>Queues one, unless cuBLASLt has no algorithm for it.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="stage">Whose weights are multiplied with.</param>
    /// <param name="use">What the result is.</param>
    /// <param name="operands">What is multiplied.</param>
    /// <param name="output">Receives the result.</param>
    /// <param name="outputStride">Elements from one row of it to the next.</param>
    /// <param name="residual">float32 rows that are added; may be the output.</param>
    public static bool TryQueue(
        in DeviceChunk chunk, int stage, ProductUse use, OperandRows operands, DeviceRegion output, long outputStride, DeviceRows residual = default)
    {
        DeviceStage weights = chunk.Weights.Stages[stage];
        var key = new ProductKey(
            stage, chunk.Tokens, use, operands.Stride, outputStride, residual.Stride, Alignment(operands.Region.Address | output.Address | residual.Address));
        DeviceRegion added = residual.Region(chunk.Tokens, weights.Shape.Width);
        if (chunk.Tunes)
        {
            Tune(chunk.Lane, chunk.Network, key, operands.Region, added, output);
        }

        using PlanLease lease = chunk.Network.Plans.Rent(chunk.Lane, key);
        if (lease.Plan is not { } plan)
        {
            return false;
        }

        Run(plan, chunk.Lane, weights, operands.Region, added, output);
        chunk.Clock?.Mark(FfnStep.Gemm);
        return true;
    }

    /// <summary>Queues one that cuBLASLt must have.</summary>
    /// <exception cref="NotSupportedException">It has not.</exception>
    public static void Queue(in DeviceChunk chunk, int stage, ProductUse use, OperandRows operands, DeviceRegion output, long outputStride, DeviceRows residual = default)
    {
        if (!TryQueue(chunk, stage, use, operands, output, outputStride, residual))
        {
            FfnStage shape = chunk.Weights.Stages[stage].Shape;
            throw new NotSupportedException(
                $"cuBLASLt has no algorithm on {chunk.Lane.Context.Device.Name} for {chunk.Tokens} tokens of a {shape.InputWidth} -> {shape.Width} projection in {Names<FfnPrecision>.Of(chunk.Format.Precision)}. Use another precision, or backend mkl.");
        }
    }

    /// <summary>Whether cuBLASLt can write the rows where they are to lie, and add those that are to be added.</summary>
    public static bool CanWrite(DeviceRows output, DeviceRows residual, int tokens, int width) =>
        Alignment(output.Address | residual.Address) >= LeastAlignment
        && (residual.IsNone || residual == output || !residual.Region(tokens, width).Overlaps(output.Region(tokens, width)));

    // In a method of its own, as what it hands on is an object.
    private static void Tune(
        DeviceLane lane, DeviceNetwork network, ProductKey key, DeviceRegion operands, DeviceRegion added, DeviceRegion output) =>
        network.Plans.Tune(lane, key, plan => Run(plan, lane, network.Weights.Stages[key.Stage], operands, added, output));

    private static void Run(
        ProductPlan plan, DeviceLane lane, DeviceStage weights, DeviceRegion operands, DeviceRegion added, DeviceRegion output) =>
        plan.Product.Run(lane.Library, plan.Algorithm, weights.Weights, operands, added, output, lane.Workspace, lane.Stream);

    // The largest power of two that divides all addresses of which these are the bits, up to what memory of our own has.
    private static int Alignment(nint addresses) => 1 << BitOperations.TrailingZeroCount(addresses | DeviceLayout.Alignment);
}
