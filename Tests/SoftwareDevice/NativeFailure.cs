namespace NativeFfn.Tests.Software;

/// <summary>Ends a call with a status; with a violation where the caller did what no correct program does.</summary>
internal sealed class NativeFailure(int status, string? violation = null) : Exception(violation)
{
    public int Status { get; } = status;

    public string? Violation { get; } = violation;
}

/// <summary>Ends a call that waits for what other threads have to call first: it is made again.</summary>
internal sealed class StillWaiting() : Exception;
