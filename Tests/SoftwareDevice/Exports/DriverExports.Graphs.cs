using System.Runtime.InteropServices;

namespace NativeFfn.Tests.Software;

internal static unsafe partial class DriverExports
{
    [UnmanagedCallersOnly]
    public static int cuStreamBeginCapture_v2(nint handle, int mode) =>
        RunStarted(nameof(cuStreamBeginCapture_v2), (handle, mode), static (device, a) =>
    {
        SoftwareStream stream = StreamQueue.Find(device, a.handle);
        if (a.mode is < Capture.Global or > Capture.Relaxed)
        {
            throw new NativeFailure(CudaResult.InvalidValue, $"There is no capture mode {a.mode}.");
        }

        if (stream == stream.Context.DefaultStream)
        {
            throw new NativeFailure(CudaResult.CaptureUnsupported, "The legacy default stream cannot be captured.");
        }

        if (stream.Capture is not null)
        {
            throw new NativeFailure(CudaResult.IllegalState, "A stream that is captured was to be captured again.");
        }

        stream.Capture = new Capture(stream, a.mode);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuStreamEndCapture(nint handle, nint graph) =>
        RunStarted(nameof(cuStreamEndCapture), (handle, graph), static (device, a) =>
    {
        SoftwareStream stream = StreamQueue.Find(device, a.handle);
        *(nint*)a.graph = 0;
        if (stream.Capture is not { } capture)
        {
            throw new NativeFailure(CudaResult.IllegalState, "A capture was ended that had not begun.");
        }

        if (capture.Mode != Capture.Relaxed && capture.Thread != Thread.CurrentThread)
        {
            throw new NativeFailure(CudaResult.CaptureWrongThread, "A capture was ended by another thread than began it.");
        }

        stream.Capture = null;
        if (capture.IsInvalid)
        {
            return CudaResult.CaptureInvalidated;
        }

        *(nint*)a.graph = device.Handles.Add(new SoftwareGraph(stream.Context, capture.Nodes));
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuGraphInstantiateWithFlags(nint exec, nint graph, ulong flags) =>
        RunStarted(nameof(cuGraphInstantiateWithFlags), (exec, graph, flags), static (device, a) =>
        {
            SoftwareGraph captured = device.Handles.Get<SoftwareGraph>(a.graph);
            *(nint*)a.exec = device.Handles.Add(new SoftwareGraphExec(device.CurrentContext(), captured.Nodes));
            return CudaResult.Success;
        });

    [UnmanagedCallersOnly]
    public static int cuGraphDestroy(nint graph) => RunStarted(nameof(cuGraphDestroy), graph, static (device, graph) =>
    {
        _ = device.Handles.Get<SoftwareGraph>(graph);
        device.Handles.Remove(graph);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuGraphExecDestroy(nint exec) => RunStarted(nameof(cuGraphExecDestroy), exec, static (device, exec) =>
    {
        _ = device.Handles.Get<SoftwareGraphExec>(exec);
        device.Handles.Remove(exec);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuGraphLaunch(nint exec, nint handle) => RunStarted(nameof(cuGraphLaunch), (exec, handle), static (device, a) =>
    {
        SoftwareStream stream = StreamQueue.Find(device, a.handle);
        SoftwareGraphExec graph = device.Handles.Get<SoftwareGraphExec>(a.exec);
        if (graph.Context != stream.Context)
        {
            throw new NativeFailure(CudaResult.InvalidValue, "A graph was launched in a stream of another context.");
        }

        var launch = new Launch(a.handle, LaunchKind.Graph, nameof(cuGraphLaunch))
        {
            Nodes = [.. graph.Nodes.Select(static node => node.Launch).OfType<Launch>()],
        };
        StreamQueue.Put(device, stream, new GraphOperation(launch, graph));
        return CudaResult.Success;
    });
}
