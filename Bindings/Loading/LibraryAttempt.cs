namespace NativeFfn.Bindings;

/// <summary>One place where a native library was looked for.</summary>
/// <param name="Place">Why it was looked for there, such as an option or an environment variable.</param>
/// <param name="Path">The file or folder tried.</param>
/// <param name="Problem">What was wrong, in the loader's own words where it spoke.</param>
public sealed record LibraryAttempt(string Place, string Path, string Problem)
{
    /// <summary>A failed search in a sentence: whether the library was not found, or was and cannot be used.</summary>
    /// <param name="library">What was looked for.</param>
    /// <param name="attempts">The locations tried, in order.</param>
    internal static string Summarise(string library, IReadOnlyList<LibraryAttempt> attempts) =>
        attempts.FirstOrDefault(static attempt => File.Exists(attempt.Path)) is { } found
            ? $"{library} was found but cannot be used ({found.Path}: {found.Problem.TrimEnd('.')})."
            : $"{library} was not found.";

    /// <inheritdoc/>
    public override string ToString() => $"{Place}: {Path}: {Problem}";
}

/// <summary>A native library cannot be used: every place tried, what was wrong there, and the remedy.</summary>
public sealed class NativeLibraryException : DllNotFoundException
{
    /// <summary>Reports a failed search.</summary>
    /// <param name="summary">What was looked for.</param>
    /// <param name="attempts">The locations tried, in order.</param>
    /// <param name="remedy">What to do.</param>
    public NativeLibraryException(string summary, IReadOnlyList<LibraryAttempt> attempts, string remedy)
        : base(Compose(summary, attempts, remedy))
    {
        Attempts = attempts;
    }

    /// <summary>The locations tried, in order.</summary>
    public IReadOnlyList<LibraryAttempt> Attempts { get; }

    // The first line says it all; the locations follow it.
    private static string Compose(string summary, IReadOnlyList<LibraryAttempt> attempts, string remedy) => attempts.Count == 0
        ? $"{summary} {remedy}"
        : $"{summary} {remedy} Tried:{string.Concat(attempts.Select(static attempt => $"\n  - {attempt}"))}";
}
