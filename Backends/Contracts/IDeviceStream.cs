namespace NativeFfn.Backends;

/// <summary>A device's stream with the memory that forwards on it need. For one thread at a time.</summary>
internal interface IDeviceStream : IDisposable
{
    /// <summary>The native stream (<c>CUstream</c>).</summary>
    nint Handle { get; }

    /// <summary>Waits for everything that was queued.</summary>
    void Synchronize();

    /// <summary>Makes room for forwards of a layer, so that none of so many tokens waits for what was queued before it.</summary>
    /// <param name="layer">A layer of the same backend.</param>
    /// <param name="tokens">Tokens; positive.</param>
    void Reserve(ILoadedLayer layer, int tokens);

    /// <summary>Queues a layer on rows in the device's memory and returns at once.</summary>
    /// <param name="layer">A layer of the same backend.</param>
    /// <param name="rows">Rows whose shapes fit the layer; the backend proves that they are the device's.</param>
    void Run(ILoadedLayer layer, in DeviceForwardRows rows);
}

/// <summary>One forward on a device's rows.</summary>
internal readonly record struct DeviceForwardRows
{
    /// <summary>Rows going in.</summary>
    public required FfnDeviceRows Input { get; init; }

    /// <summary>Rows coming out; the very same rows as input or residual, or memory apart from them.</summary>
    public required FfnDeviceRows Output { get; init; }

    /// <summary>Rows to add in <see cref="FfnMode.Residual"/>; ignored in the other modes.</summary>
    public FfnDeviceRows Residual { get; init; }

    /// <summary>What is computed.</summary>
    public required FfnMode Mode { get; init; }
}
