namespace NativeFfn.Bindings.Loading;

/// <summary>Names the native function of a call in an error, from the call's own text, so that the two cannot differ.</summary>
internal static class NativeCall
{
    /// <summary>The C function in the text of a call: <c>cuInit</c> of <c>_functions.cuInit(0)</c>.</summary>
    /// <param name="call">What the compiler gives for an argument by <c>CallerArgumentExpression</c>.</param>
    public static string Function(string call)
    {
        int end = call.IndexOf('(', StringComparison.Ordinal);
        string path = end < 0 ? call : call[..end];
        return path[(path.LastIndexOf('.') + 1)..].Trim();
    }
}
