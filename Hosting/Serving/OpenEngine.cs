using NativeFfn.Hosting.Batching;

namespace NativeFfn.Hosting.Serving;

/// <summary>What an engine consists of while it is open.</summary>
/// <param name="engine">The engine.</param>
/// <param name="execution">Runs rows.</param>
/// <param name="dispatcher">Where requests come in.</param>
/// <param name="queue">Where they wait.</param>
/// <param name="runners">What runs those.</param>
internal sealed class OpenEngine(
    FfnEngine engine, LayerExecution execution, RequestDispatcher dispatcher, RequestQueue queue, BatchRunners runners)
    : IDisposable
{
    private volatile ServedLayers _layers = ServedLayers.Empty;

    public FfnEngine Engine => engine;

    public LayerExecution Execution => execution;

    public RequestDispatcher Dispatcher => dispatcher;

    public RequestQueue Queue => queue;

    public BatchRunners Runners => runners;

    /// <summary>The layers that requests find now. Who sets it disposes those that are in it no more.</summary>
    public ServedLayers Layers
    {
        get => _layers;
        set => _layers = value;
    }

    /// <summary>Fails what waits, lets what runs finish, and frees everything.</summary>
    public void Dispose()
    {
        _ = Queue.Abort(FfnStatus.Closed.ToException());
        Runners.Ended.GetAwaiter().GetResult();
        Free();
    }

    /// <summary>Frees everything. Nothing may wait or run any more.</summary>
    public void Free()
    {
        Layers.Dispose();
        Engine.Dispose();
        Queue.Dispose();
    }
}
