using NativeFfn.Hosting.Batching;

namespace NativeFfn.Hosting.Serving;

/// <summary>What an engine consists of while it is open.</summary>
/// <param name="Engine">The engine.</param>
/// <param name="Layers">Its layers.</param>
/// <param name="Queue">Where requests wait.</param>
/// <param name="Runner">What runs them.</param>
internal sealed record OpenEngine(FfnEngine Engine, ServedLayers Layers, RequestQueue Queue, BatchRunner Runner) : IDisposable
{
    /// <summary>Frees everything. Nothing may wait or run any more.</summary>
    public void Dispose()
    {
        Layers.Dispose();
        Engine.Dispose();
        Queue.Dispose();
    }
}
