namespace NativeFfn.Tests.Software;

/// <summary>Puts work on streams: into a capture, or behind everything that must come before.</summary>
internal static class StreamQueue
{
    /// <summary>The stream behind a handle, in the current context; 0 is the legacy default stream.</summary>
    public static SoftwareStream Find(SoftwareDevice device, nint handle)
    {
        SoftwareContext context = device.CurrentContext();
        if (handle == 0)
        {
            return context.DefaultStream;
        }

        SoftwareStream stream = device.Handles.Get<SoftwareStream>(handle);
        return stream.Context == context
            ? stream
            : throw new NativeFailure(CudaResult.InvalidHandle, "A stream of another context than the current one was used.");
    }

    public static void Put(SoftwareDevice device, SoftwareStream stream, Operation operation)
    {
        if (stream.Capture is { } capture)
        {
            ThrowIfSpoiled(capture);
            Log(device, operation, captured: true);
            capture.Nodes.Add(operation);
            return;
        }

        WaitForBlocking(device, stream);
        RequireOneStream(device, stream, operation);
        Log(device, operation, captured: false);
        stream.Add(operation);
        if (device.RunsAtOnce)
        {
            stream.RunAll(device);
        }
    }

    public static void ThrowIfSpoiled(Capture capture)
    {
        if (capture.IsInvalid)
        {
            throw new NativeFailure(CudaResult.CaptureInvalidated);
        }
    }

    // The legacy default stream and the blocking streams wait for each other's earlier work.
    private static void WaitForBlocking(SoftwareDevice device, SoftwareStream stream)
    {
        if (!stream.IsBlocking)
        {
            return;
        }

        SoftwareContext context = stream.Context;
        bool isDefault = stream == context.DefaultStream;
        var records = new List<EventRecord>();
        foreach (SoftwareStream other in context.Streams)
        {
            if (other == stream || !other.IsBlocking || !(isDefault || other == context.DefaultStream))
            {
                continue;
            }

            if (other.Capture is { } capture)
            {
                capture.IsInvalid = true;
                throw new NativeFailure(
                    CudaResult.CaptureImplicit, "Work on the legacy default stream while a blocking stream is captured.");
            }

            if (!other.IsIdle)
            {
                var record = new EventRecord(other);
                other.Add(new RecordOperation(record));
                records.Add(record);
            }
        }

        if (records.Count > 0)
        {
            stream.Add(new WaitOperation(records));
        }
    }

    // A cuBLASLt handle serves one stream at a time.
    private static void RequireOneStream(SoftwareDevice device, SoftwareStream stream, Operation operation)
    {
        if (operation.Exclusive is not { } handle)
        {
            return;
        }

        foreach (SoftwareStream other in stream.Context.Streams)
        {
            if (other != stream && other.Pending.Any(pending => pending.Exclusive == handle))
            {
                device.Violate($"{operation} uses a cuBLASLt handle whose work on stream 0x{other.Handle:x} may still run.");
            }
        }
    }

    private static void Log(SoftwareDevice device, Operation operation, bool captured)
    {
        if (operation.Launch is { } launch)
        {
            device.LogLaunch(launch with { Captured = captured });
        }
    }
}
