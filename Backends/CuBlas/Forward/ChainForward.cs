using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Layers one after the other on the host's rows, which go to the device once and come back once.</summary>
internal static class ChainForward
{
    /// <summary>Runs rows in chunks, each through all layers, and returns when the output is written.</summary>
    /// <param name="lane">The lane; its context is entered.</param>
    /// <param name="layers">Layers of one width, which are held.</param>
    /// <param name="rows">Rows, of which there is at least one.</param>
    public static void Run(DeviceLane lane, ReadOnlySpan<ILoadedLayer> layers, in FfnRows rows)
    {
        int tokens = rows.Input.Height;
        int width = rows.Input.Width;
        int chunkTokens = tokens;
        foreach (ILoadedLayer layer in layers)
        {
            chunkTokens = Math.Min(chunkTokens, CuBlasPrepared.LayerOf(layer).ChunkTokens(tokens, fromHost: true));
        }

        using StepClock? clock = rows.Profile is null ? null : new StepClock(lane.Context, lane.Stream);
        long elements = (long)chunkTokens * width;
        lane.ReserveHost(checked(2 * elements * sizeof(float)));
        for (int first = 0; first < tokens; first += chunkTokens)
        {
            int count = Math.Min(chunkTokens, tokens - first);
            lane.Host.Write(rows.Input.Slice(first, 0, count, width), 0);
            Queue(lane, layers, rows.Mode, count, elements, clock);
            lane.Stream.Synchronize();
            lane.Host.Read(rows.Output.Slice(first, 0, count, width), elements);
        }

        clock?.AddTo(rows.Profile!);
    }

    private static unsafe void Queue(
        DeviceLane lane, ReadOnlySpan<ILoadedLayer> layers, FfnMode mode, int tokens, long outputOffset, StepClock? clock)
    {
        // The memory may not move from one layer to the next.
        long bytes = 0;
        foreach (ILoadedLayer layer in layers)
        {
            bytes = Math.Max(bytes, CuBlasPrepared.LayerOf(layer).ScratchBytes(tokens, fromHost: true));
        }

        DeviceRegion memory = lane.Reserve(bytes);
        FfnSpec spec = CuBlasPrepared.LayerOf(layers[0]).Spec;
        var layout = default(DeviceLayout);
        HostPlaces places = HostPlaces.Add(ref layout, spec, tokens);
        DeviceRegion first = memory.Slice(places.Input.Offset, places.Input.Bytes);
        DeviceRegion last = memory.Slice(places.Output.Offset, places.Output.Bytes);
        var output = new DeviceRows(last.Address, spec.InputWidth);
        var input = new DeviceRows(first.Address, spec.InputWidth);
        lane.Stream.CopyToDevice(lane.Host.At(0), first);
        clock?.Mark(null);
        foreach (ILoadedLayer layer in layers)
        {
            CuBlasPrepared.LayerOf(layer).Queue(new DeviceRun
            {
                Lane = lane,
                Tokens = tokens,
                Input = input,
                Residual = mode == FfnMode.Ffn ? default : input,
                Output = output,
                IsBlock = mode == FfnMode.Block,
                FromHost = true,
                Clock = clock,
            });
            input = output;
        }

        lane.Stream.CopyToHost(last, lane.Host.At(outputOffset));
        clock?.Mark(null);
    }
}
