namespace NativeFfn.AspNetCore.Http;

/// <summary>A request that is answered with an error of this server's own.</summary>
/// <param name="kind">The error.</param>
/// <param name="detail">One sentence that names the thing, the value and the remedy.</param>
internal sealed class RequestException(ProblemKind kind, string detail) : Exception(detail)
{
    public ProblemKind Kind { get; } = kind;
}
