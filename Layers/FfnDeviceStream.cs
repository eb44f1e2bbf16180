using NativeFfn.Backends;

namespace NativeFfn;

/// <summary>A GPU's stream, on which layers run on rows in the GPU's own memory: nothing is copied to or from the host, and nothing waits.</summary>
/// <remarks>
/// <para>
/// Forwards are queued in order behind whatever the application queues on the same <c>CUstream</c>. Rows and layers must stay until what
/// was queued is done (<see cref="Synchronize"/>, or an event of the application's).
/// </para>
/// <para>
/// For one thread at a time; any number of streams run side by side, each with hidden rows and a workspace of its own. Forwards whose
/// token counts were met before (run them once on the stream) allocate nothing, so that an application may capture them into a CUDA graph.
/// Such a graph names memory of the stream: launch it no more once the stream was disposed, or has run more tokens or a larger layer than before.
 /// A mixture of experts waits for the stream in the middle, for the host routes its tokens; it cannot be captured.
/// </para>
/// </remarks>
public sealed class FfnDeviceStream : IDisposable
{
    private readonly FfnEngine _engine;
    private readonly IDeviceStream _stream;
    private bool _disposed;

    internal FfnDeviceStream(FfnEngine engine, IDeviceStream stream)
    {
        _engine = engine;
        _stream = stream;
    }

    /// <summary>The engine whose layers run here.</summary>
    public FfnEngine Engine => _engine;

    /// <summary>The native stream (<c>CUstream</c>).</summary>
    public nint Handle => _stream.Handle;

    /// <summary>Waits until everything that was queued is done.</summary>
    /// <exception cref="DeviceFailedException">Something that was queued failed.</exception>
    public void Synchronize()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _stream.Synchronize();
    }

    /// <summary>Waits for what was queued and frees the stream's memory; the application's own stream stays.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _stream.Dispose();
        }
    }

    internal void Run(FfnLayer layer, IPreparedFfn prepared, in DeviceForwardRows rows)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (layer.Engine != _engine)
        {
            throw new ArgumentException("The stream is of another engine than the layer.", nameof(layer));
        }

        DeviceRowsGuard.Check(layer.Spec, rows);
        _stream.Run(prepared, rows);
    }
}
