using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Backends.Cpu.Weights;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>The prologue: tokens' rows as networks read them.</summary>
internal static unsafe class Prologue
{
    /// <summary>normalized = norm(input), for one token.</summary>
    public static void Normalize(CpuChunk chunk, NormSpec norm, int token, float* normalized)
    {
        CpuLayerWeights layer = chunk.Layer;
        int width = layer.Spec.InputWidth;
        float* weight = layer.Vector(FfnTensorRole.PreNormWeight);
        NormKernel.Apply(norm, weight, layer.Vector(FfnTensorRole.PreNormBias), chunk.Input.Row(token), normalized, width);
        TraceRows.Copy(chunk.Trace?.Normalized, chunk.FirstToken + token, width, normalized, 0, width);
    }

    /// <summary>Some rows of a group: where they lie, or in the room, normalized or weighed where the chunk says so.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="group">The group.</param>
    /// <param name="firstRow">The first row of the group.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="room">Room for them.</param>
    public static RowSelection Collect(CpuChunk chunk, in TokenGroup group, int firstRow, int rows, Matrix room)
    {
        bool weighs = chunk.WeighsInput && !group.IsContiguous;
        if (chunk.PackNorm is null && !weighs)
        {
            return group.IsContiguous
                ? new RowSelection(chunk.NetworkInput.From(group.FirstToken + firstRow), default)
                : new RowSelection(chunk.NetworkInput, chunk.Routes.SortedTokens.Slice(group.FirstRoute + firstRow, rows));
        }

        long start = chunk.Now();
        for (int i = 0; i < rows; i++)
        {
            int token = chunk.TokenOf(group, firstRow + i);
            if (chunk.PackNorm is { } norm)
            {
                Normalize(chunk, norm, token, room.Row(i));
            }
            else
            {
                RowKernel.Copy(room.Row(i), chunk.NetworkInput.Row(token), group.Network.InputWidth);
            }

            if (weighs)
            {
                RowKernel.Scale(room.Row(i), chunk.Routes.WeightOf(chunk.FirstToken + token, group.Expert), group.Network.InputWidth);
            }
        }

        chunk.Add(chunk.PackNorm is null ? FfnStep.Routing : FfnStep.Norm, start);
        return new RowSelection(room, default);
    }
}
