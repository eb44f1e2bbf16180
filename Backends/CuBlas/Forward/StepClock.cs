using System.Diagnostics;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Takes the device's time at the end of every step of a forward.</summary>
internal sealed class StepClock : IDisposable
{
    private readonly CudaContext _context;
    private readonly CudaStream _stream;
    private readonly List<(CudaEvent End, FfnStep? Step)> _marks = [];

    /// <summary>Starts the clock.</summary>
    public StepClock(CudaContext context, CudaStream stream)
    {
        _context = context;
        _stream = stream;
        try
        {
            Mark(null);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Ends a step; null for work that belongs to none, as copies do.</summary>
    public void Mark(FfnStep? step)
    {
        CudaEvent end = _context.CreateEvent(timing: true);
        _marks.Add((end, step));
        _stream.Record(end);
    }

    /// <summary>Adds the times to a profile; the stream has been waited for.</summary>
    public void AddTo(FfnProfile profile)
    {
        for (int i = 1; i < _marks.Count; i++)
        {
            double seconds = _marks[i].End.MillisecondsSince(_marks[i - 1].End) / 1000;
            long ticks = (long)(seconds * Stopwatch.Frequency);
            profile.AddThreadTime(ticks);
            if (_marks[i].Step is { } step)
            {
                profile.Add(step, ticks);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _marks.ForEach(static mark => mark.End.Dispose());
}
