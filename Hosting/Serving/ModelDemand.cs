namespace NativeFfn.Hosting.Serving;

/// <summary>Requests that wait for a model to be in memory. Guarded by the runtime's lock.</summary>
internal sealed class ModelDemand
{
    private readonly List<(string Layer, TaskCompletionSource<ServedLayer> Waiter)> _waiting = [];

    /// <summary>Waits for a layer, which the waiter then holds (<see cref="ServedLayer.TryUse"/>), whoever needs the room.</summary>
    public Task<ServedLayer> Add(string layer)
    {
        var waiter = new TaskCompletionSource<ServedLayer>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting.Add((layer, waiter));
        return waiter.Task;
    }

    /// <summary>The model is in memory.</summary>
    public void Complete(ServedLayers layers)
    {
        foreach ((string layer, TaskCompletionSource<ServedLayer> waiter) in _waiting)
        {
            try
            {
                ServedLayer served = layers.Find(layer).Served!;
                _ = served.TryUse();
                waiter.SetResult(served);
            }
            catch (FfnLayerNotFoundException gone)
            {
                // The checkpoint was changed, and has fewer layers now.
                waiter.SetException(gone);
            }
        }
    }

    /// <summary>The model cannot be had.</summary>
    /// <param name="reason">Makes an exception for each, as one that is thrown twice loses its trace.</param>
    public void Fail(Func<Exception> reason)
    {
        foreach ((_, TaskCompletionSource<ServedLayer> waiter) in _waiting)
        {
            waiter.SetException(reason());

            // Who gave up waiting does not look.
            _ = waiter.Task.Exception;
        }
    }
}
