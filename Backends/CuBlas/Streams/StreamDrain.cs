using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Streams;

/// <summary>Waiting where something failed, so that memory which is still in use can be freed; whoever met the failure tells of it.</summary>
internal static class StreamDrain
{
    /// <summary>Waits for everything that was queued on a stream.</summary>
    public static void Wait(CudaStream stream)
    {
        CudaContext context = stream.Context;
        try
        {
            using CudaContext.Scope scope = context.Enter();
            stream.Synchronize();
        }
        catch (CudaException)
        {
            WaitForDevice(context);
        }
    }

    // A stream that the application captures, or has destroyed, cannot be waited for while what was queued before still runs.
    private static void WaitForDevice(CudaContext context)
    {
        if (context.IsLost)
        {
            return;
        }

        try
        {
            context.Synchronize();
        }
        catch (CudaException)
        {
            // Nobody can be waited for.
        }
    }
}
