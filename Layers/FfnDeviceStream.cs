using NativeFfn.Backends;

namespace NativeFfn;

/// <summary>A GPU's stream, on which layers run on rows in the GPU's own memory: nothing is copied to or from the host, and nothing waits.</summary>
/// <remarks>
/// <para>
/// Forwards are queued in order behind whatever the application queues on the same <c>CUstream</c>. Rows must stay until what was queued is
/// done (<see cref="Synchronize"/>, or an event of the application's). Layers may be disposed before: their weights are freed by the next
/// <see cref="Synchronize"/>, or when the stream is disposed.
/// </para>
/// <para>
/// For one thread at a time; any number of streams run side by side, each with hidden rows and a workspace of its own. A forward that ran
/// once on the stream, with the same layer, mode, token count and strides and rows aligned alike, allocates nothing the next time, so that an
/// application may capture it into a CUDA graph; others are refused then. Capture in the thread-local mode: in the global one, CUDA refuses
/// what other threads of the process ask of it meanwhile. Such a graph names memory of the stream and weights: launch it no more once the
/// stream or a layer was disposed, or the stream has run more tokens or a larger layer than before. A mixture of experts waits for the stream
/// in the middle, for the host routes its tokens; it cannot be captured.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// using FfnDeviceStream stream = layer.Engine.UseDeviceStream(cudaStream);
/// var rows = new FfnDeviceRows(deviceRows, tokens, Stride: layer.Spec.DModel);
/// layer.ForwardBlock(stream, rows, rows);   // in place, queued behind what the stream has; nothing waits
/// stream.Synchronize();
/// </code>
/// </example>
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

    internal void Run(FfnLayer layer, ILoadedLayer prepared, in DeviceForwardRows rows)
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
