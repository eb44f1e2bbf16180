using System.Runtime.InteropServices;
using NativeFfn.Checkpoints;

namespace NativeFfn.Cli;

/// <summary>Ctrl+C, SIGTERM, SIGHUP and SIGQUIT: the process ends at once, except while files are written, which are removed first.</summary>
internal sealed class Interrupt : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly Lock _writing = new();
    private readonly List<PosixSignalRegistration> _registrations = [];

    /// <summary>Asked for between pieces of work inside <see cref="WhileWriting(Action)"/>.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>Listens to the signals that ask this process to end.</summary>
    public static Interrupt OnSignals()
    {
        var interrupt = new Interrupt();
        foreach (PosixSignal signal in (ReadOnlySpan<PosixSignal>)[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGQUIT])
        {
            interrupt._registrations.Add(PosixSignalRegistration.Create(signal, interrupt.OnSignal));
        }

        return interrupt;
    }

    /// <summary>Runs work that has unfinished files on disk; it polls <see cref="Token"/> and removes them when that is cancelled.</summary>
    public void WhileWriting(Action write)
    {
        lock (_writing)
        {
            _source.Token.ThrowIfCancellationRequested();
            write();
        }
    }

    /// <summary>Writes one file: a pipe or a device, which may wait for a reader for ever, so that the process ends under it, or an unfinished file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="write">Writes it.</param>
    public void WhileWriting(string path, Action write)
    {
        if (ReplacedFile.IsDirect(path))
        {
            write();
        }
        else
        {
            WhileWriting(write);
        }
    }

    /// <summary>Listens no longer, for a command that ends on signals in its own way.</summary>
    public void StopListening()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }
    }

    public void Dispose()
    {
        StopListening();
        _source.Dispose();
    }

    // Long native calls cannot be cancelled, so the process ends under them; files are another matter, and their writer has the lock.
    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        _source.Cancel();
        lock (_writing)
        {
            Environment.Exit(ExitCode.Interrupted);
        }
    }
}
