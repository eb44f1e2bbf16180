using System.Runtime.InteropServices;

namespace NativeFfn.Cli;

/// <summary>Ctrl+C, SIGTERM, SIGHUP and SIGQUIT: the process ends at once, except while files are written, which are removed first.</summary>
internal sealed class Interrupt : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly Lock _writing = new();
    private readonly List<PosixSignalRegistration> _registrations = [];

    /// <summary>Asked for between pieces of work inside <see cref="WhileWriting"/>.</summary>
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

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }

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
