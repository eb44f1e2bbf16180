using System.Diagnostics;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Gpu;

/// <summary>
/// Times pieces of work by the device's own clock: they are queued one behind the other, as an application does, with a mark between each
/// two. The host's part counts where it keeps the device waiting, and not otherwise.
/// </summary>
/// <remarks>The stream's context is entered by the caller.</remarks>
internal sealed class DeviceTimer : IDisposable
{
    // Pieces that are queued before anything is waited for: the first few, which find the device idle, are too few to move a median.
    private const int Batch = 32;

    // A bound on the memory of the times.
    private const int MaximumBatches = 10_000;

    // A median of fewer would be of one mood of the device.
    private const int MinimumBatches = 2;

    private readonly CudaStream _stream;
    private readonly CudaEvent[] _marks;

    /// <summary>Makes the marks.</summary>
    public DeviceTimer(CudaStream stream)
    {
        _stream = stream;
        _marks = [.. Enumerable.Range(0, Batch + 1).Select(_ => stream.Context.CreateEvent(timing: true))];
    }

    /// <summary>Times work, after a batch whose times are not kept.</summary>
    /// <param name="seconds">How long at least; some batches are run in any case.</param>
    /// <param name="queue">Queues a piece of work on the stream; it is given the piece's number, from 0.</param>
    public Times Measure(double seconds, Action<int> queue)
    {
        Run(0, queue);
        List<double> milliseconds = [];
        long start = Stopwatch.GetTimestamp();
        for (int batch = 1; batch <= MaximumBatches; batch++)
        {
            if (batch > MinimumBatches && Stopwatch.GetElapsedTime(start).TotalSeconds >= seconds)
            {
                break;
            }

            Run(batch * Batch, queue);
            for (int i = 0; i < Batch; i++)
            {
                milliseconds.Add(_marks[i + 1].MillisecondsSince(_marks[i]));
            }
        }

        return Times.Of(milliseconds);
    }

    public void Dispose() => Array.ForEach(_marks, static mark => mark.Dispose());

    private void Run(int first, Action<int> queue)
    {
        _stream.Record(_marks[0]);
        for (int i = 0; i < Batch; i++)
        {
            queue(first + i);
            _stream.Record(_marks[i + 1]);
        }

        _marks[Batch].Synchronize();
    }
}
