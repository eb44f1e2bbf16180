using System.Runtime.InteropServices;

namespace NativeFfn.Tests.Software;

internal static unsafe partial class DriverExports
{
    [UnmanagedCallersOnly]
    public static int cuStreamCreate(nint stream, uint flags) => RunStarted(nameof(cuStreamCreate), (stream, flags), static (device, a) =>
    {
        if (a.flags > 1)
        {
            throw new NativeFailure(CudaResult.InvalidValue, $"cuStreamCreate knows no flags {a.flags}.");
        }

        SoftwareContext context = device.CurrentContext();
        var made = new SoftwareStream(context, 0, isBlocking: a.flags == 0, isForeign: false);
        context.Streams.Add(made);
        *(nint*)a.stream = made.Handle = device.Handles.Add(made);
        return CudaResult.Success;
    });

    // What is queued still runs, when something waits for the context or at the end of a test.
    [UnmanagedCallersOnly]
    public static int cuStreamDestroy_v2(nint handle) => RunStarted(nameof(cuStreamDestroy_v2), handle, static (device, handle) =>
    {
        SoftwareStream stream = device.Handles.Get<SoftwareStream>(handle);
        if (stream.IsForeign)
        {
            throw new NativeFailure(CudaResult.InvalidHandle, "A stream that is not the product's was destroyed.");
        }

        if (stream.Capture is not null)
        {
            stream.Capture = null;
            device.Violate("A stream was destroyed while it was captured.");
        }

        device.Handles.Remove(handle);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuStreamSynchronize(nint handle) => RunStarted(nameof(cuStreamSynchronize), handle, static (device, handle) =>
    {
        SoftwareStream stream = StreamQueue.Find(device, handle);
        ForbidOnCaptured(stream, nameof(cuStreamSynchronize));
        ForbidInCapture(device, nameof(cuStreamSynchronize));
        return stream.RunAll(device) ? CudaResult.Success : throw new StillWaiting();
    });

    // A query lets a little work happen, so that whoever asks again and again gets there.
    [UnmanagedCallersOnly]
    public static int cuStreamQuery(nint handle) => RunStarted(nameof(cuStreamQuery), handle, static (device, handle) =>
    {
        SoftwareStream stream = StreamQueue.Find(device, handle);
        ForbidOnCaptured(stream, nameof(cuStreamQuery));
        ForbidInCapture(device, nameof(cuStreamQuery));
        if (stream.IsIdle)
        {
            return CudaResult.Success;
        }

        stream.RunOne(device);
        return CudaResult.NotReady;
    });

    [UnmanagedCallersOnly]
    public static int cuStreamGetCtx(nint handle, nint context) =>
        RunStarted(nameof(cuStreamGetCtx), (handle, context), static (device, a) =>
        {
            *(nint*)a.context = device.Handles.Get<SoftwareStream>(a.handle).Context.Handle;
            return CudaResult.Success;
        });

    [UnmanagedCallersOnly]
    public static int cuStreamIsCapturing(nint handle, nint status) =>
        RunStarted(nameof(cuStreamIsCapturing), (handle, status), static (device, a) =>
        {
            // CUstreamCaptureStatus: none, active, invalidated.
            *(int*)a.status = StreamQueue.Find(device, a.handle).Capture switch { null => 0, { IsInvalid: false } => 1, _ => 2 };
            return CudaResult.Success;
        });

    [UnmanagedCallersOnly]
    public static int cuEventCreate(nint handle, uint flags) => RunStarted(nameof(cuEventCreate), (handle, flags), static (device, a) =>
    {
        const uint DisableTiming = 2;
        if (a.flags > 7)
        {
            throw new NativeFailure(CudaResult.InvalidValue, $"cuEventCreate knows no flags {a.flags}.");
        }

        *(nint*)a.handle = device.Handles.Add(new SoftwareEvent(device.CurrentContext(), (a.flags & DisableTiming) == 0));
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuEventDestroy_v2(nint handle) => RunStarted(nameof(cuEventDestroy_v2), handle, static (device, handle) =>
    {
        _ = device.Handles.Get<SoftwareEvent>(handle);
        device.Handles.Remove(handle);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuEventRecord(nint handle, nint streamHandle) =>
        RunStarted(nameof(cuEventRecord), (handle, streamHandle), static (device, a) =>
        {
            SoftwareStream stream = StreamQueue.Find(device, a.streamHandle);
            SoftwareEvent recorded = device.Handles.Get<SoftwareEvent>(a.handle);
            if (recorded.Context != stream.Context)
            {
                throw new NativeFailure(CudaResult.InvalidHandle, "An event was recorded in a stream of another context.");
            }

            recorded.Captured = stream.Capture;
            if (stream.Capture is { } capture)
            {
                StreamQueue.ThrowIfSpoiled(capture);
                return CudaResult.Success;
            }

            var record = new EventRecord(stream);
            StreamQueue.Put(device, stream, new RecordOperation(record));
            recorded.Latest = record;
            return CudaResult.Success;
        });

    [UnmanagedCallersOnly]
    public static int cuEventQuery(nint handle) => RunStarted(nameof(cuEventQuery), handle, static (device, handle) =>
    {
        SoftwareEvent queried = Outside(device, handle, nameof(cuEventQuery));
        if (queried.Latest is not { IsDone: false } record)
        {
            return CudaResult.Success;
        }

        record.Stream.RunOne(device);
        return CudaResult.NotReady;
    });

    [UnmanagedCallersOnly]
    public static int cuEventSynchronize(nint handle) => RunStarted(nameof(cuEventSynchronize), handle, static (device, handle) =>
    {
        SoftwareEvent awaited = Outside(device, handle, nameof(cuEventSynchronize));
        return awaited.Latest?.Stream.RunUntil(device, awaited.Latest) ?? true ? CudaResult.Success : throw new StillWaiting();
    });

    [UnmanagedCallersOnly]
    public static int cuEventElapsedTime(nint milliseconds, nint start, nint end) =>
        RunStarted(nameof(cuEventElapsedTime), (milliseconds, start, end), static (device, a) =>
        {
            SoftwareEvent start = device.Handles.Get<SoftwareEvent>(a.start);
            SoftwareEvent end = device.Handles.Get<SoftwareEvent>(a.end);
            if (!start.HasTiming || !end.HasTiming || start.Latest is null || end.Latest is null)
            {
                throw new NativeFailure(CudaResult.InvalidHandle, "Time was taken between events without timing, or ones never recorded.");
            }

            if (!start.Latest.IsDone || !end.Latest.IsDone)
            {
                return CudaResult.NotReady;
            }

            *(float*)a.milliseconds = (float)(end.Latest.Time - start.Latest.Time);
            return CudaResult.Success;
        });

    private static SoftwareEvent Outside(SoftwareDevice device, nint handle, string name)
    {
        SoftwareEvent found = device.Handles.Get<SoftwareEvent>(handle);
        if (found.Captured is { } capture && capture.Stream.Capture == capture)
        {
            capture.IsInvalid = true;
            throw new NativeFailure(CudaResult.CapturedEvent, $"{name} of an event that was recorded in a capture.");
        }

        ForbidInCapture(device, name);
        return found;
    }

    private static void ForbidOnCaptured(SoftwareStream stream, string name)
    {
        if (stream.Capture is { } capture)
        {
            capture.IsInvalid = true;
            throw new NativeFailure(CudaResult.CaptureUnsupported, $"{name} of a stream that is captured.");
        }
    }
}
