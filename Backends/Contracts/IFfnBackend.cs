namespace NativeFfn.Backends;

/// <summary>A way to run feed-forward layers on some processor. Safe for use by several threads at once.</summary>
/// <remarks>
/// The contract is the size of the idea: who are you, can you run this, prepare these weights, run these rows. How a backend multiplies
/// and fuses is its own affair, and so is how it routes a mixture of experts. Prepared weights may live anywhere, a device included.
/// </remarks>
internal interface IFfnBackend : IDisposable
{
    /// <summary>Who this is: library versions, paths, threads.</summary>
    BackendDescription Description { get; }

    /// <summary>What a device or a group of ranks failed of, so that nothing can be run any more; null where that has not happened.</summary>
    Exception? Failure => null;

    /// <summary>Why this backend cannot run a layer, or null where it can.</summary>
    /// <param name="spec">The layer.</param>
    string? WhyUnsupported(FfnSpec spec);

    /// <summary>Takes a layer's weights into the backend's own memory, reading each tensor once, in pieces.</summary>
    /// <param name="spec">A layer that this backend can run.</param>
    /// <param name="weights">
    /// Where the weights come from; not used after the call, unless experts are loaded as they are needed: then for as long as the layer lives.
    /// </param>
    /// <returns>The prepared layer, owned by the caller.</returns>
    /// <exception cref="InsufficientMemoryException">The weights do not fit; the message says how much was asked for.</exception>
    /// <exception cref="NotSupportedException">A weight cannot be held in the precision; the message says which.</exception>
    ILoadedLayer Prepare(FfnSpec spec, IFfnWeightSource weights);

    /// <summary>This rank among those that layers are cut over, from 0.</summary>
    int Rank => 0;

    /// <summary>Ranks that layers are cut over.</summary>
    int Ranks => 1;

    /// <summary>What ranks spent on each other so far.</summary>
    FfnCollectiveTotals Collectives => default;

    /// <summary>Runs what rank 0 asks for until it stops.</summary>
    /// <exception cref="InvalidOperationException">This is rank 0.</exception>
    void Follow() => throw new InvalidOperationException("Rank 0 leads, and others follow it.");

    /// <summary>Opens a stream for forwards on device memory.</summary>
    /// <param name="stream">A stream of the application's (<c>CUstream</c>), which must outlive what is opened; null makes one.</param>
    /// <exception cref="NotSupportedException">The backend has no device memory.</exception>
    IDeviceStream OpenStream(nint? stream) =>
        throw new NotSupportedException($"Backend '{Description.Name}' computes in the host's memory and has no device streams. Use backend cublas.");

    /// <summary>Runs layers one after the other, each on the rows of the one before it; returns when the output is written.</summary>
    /// <param name="layers">Layers of this backend that keep the rows' width and may run in place; at least one.</param>
    /// <param name="rows">Rows without a trace; in <see cref="FfnMode.Residual"/> each layer's residual is its input.</param>
    void RunChain(ReadOnlySpan<ILoadedLayer> layers, in FfnRows rows)
    {
        layers[0].Run(rows);
        foreach (ILoadedLayer layer in layers[1..])
        {
            layer.Run(new FfnRows { Input = rows.Output, Residual = rows.Output, Output = rows.Output, Mode = rows.Mode, Profile = rows.Profile });
        }
    }
}

/// <summary>A layer with its weights in a backend's memory. Safe for use by several threads at once.</summary>
/// <remarks>Disposing while rows run lets them finish: memory is freed when the last of them is done.</remarks>
internal interface ILoadedLayer : IDisposable
{
    /// <summary>Bytes that the weights occupy where the backend keeps them.</summary>
    long WeightBytes { get; }

    /// <summary>What was lost by the precision: ‖stored - given‖ / ‖given‖ of the matrix that lost most; 0 where nothing was.</summary>
    double QuantizationError { get; }

    /// <summary>The encodings of the matrices in memory, with + between them.</summary>
    string Encodings { get; }

    /// <summary>Which GEMM multiplies how many tokens, in words.</summary>
    string Gemms { get; }

    /// <summary>Where its weights were put among NUMA nodes, in words; empty where that is anywhere.</summary>
    string Placement => string.Empty;

    /// <summary>Threads that share a forward of so many tokens where they are free, the caller's included.</summary>
    /// <param name="tokens">Tokens; positive.</param>
    int ThreadsOf(int tokens) => 1;

    /// <summary>Copies how many tokens each expert of a mixture was sent so far; nothing where the layer is none.</summary>
    /// <param name="counts">Receives one count an expert.</param>
    void ReadExpertTokens(Span<long> counts)
    {
    }

    /// <summary>Measures which algorithms are the fastest for a forward of so many tokens, where the options ask for it; else nothing.</summary>
    /// <param name="tokens">Tokens; positive.</param>
    void Tune(int tokens)
    {
    }

    /// <summary>Runs the layer on rows; returns when the output is written.</summary>
    /// <param name="rows">Rows proven to fit the layer.</param>
    /// <exception cref="ObjectDisposedException">The layer was disposed.</exception>
    void Run(in FfnRows rows);

    /// <summary>Runs every rank's own rows, where the layer is cut over ranks, which all call this; else as <see cref="Run"/>.</summary>
    /// <param name="rows">Rows proven to fit the layer, without a trace; none where this rank has none.</param>
    void RunTogether(in FfnRows rows) => Run(rows);

    /// <summary>Runs the layer on rows without holding the caller's thread; done when the output is written.</summary>
    /// <param name="rows">Rows proven to fit the layer.</param>
    /// <param name="cancellationToken">Ends the forward before it is launched; not after.</param>
    ValueTask RunAsync(FfnMemoryRows rows, CancellationToken cancellationToken);
}
