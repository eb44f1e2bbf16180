namespace NativeFfn.Bindings.Nvrtc;

/// <summary>A function of NVRTC failed: the compiler itself, or the source that it was given.</summary>
internal sealed class NvrtcException : Exception
{
    /// <summary>Reports a failure.</summary>
    /// <param name="function">The C function that answered.</param>
    /// <param name="status">nvrtcResult.</param>
    /// <param name="text">The compiler's words for the status.</param>
    /// <param name="log">What the compiler said of the source; may be empty.</param>
    public NvrtcException(string function, int status, string text, string log)
        : base($"{function} failed: {text} ({status}).{(log.Length == 0 ? string.Empty : $"\n{log}")}")
    {
        (Function, Status, Log) = (function, status, log);
    }

    /// <summary>The C function that answered.</summary>
    public string Function { get; }

    /// <summary>nvrtcResult, as in <see cref="NvrtcStatus"/>.</summary>
    public int Status { get; }

    /// <summary>What the compiler said of the source; may be empty.</summary>
    public string Log { get; }
}
