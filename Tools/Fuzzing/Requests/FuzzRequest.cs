using System.Collections.Immutable;
using System.Text;

namespace NativeFfn.Fuzzing.Requests;

/// <summary>A request as the server's pipeline gets it.</summary>
/// <param name="Method">The method.</param>
/// <param name="Path">The path, decoded.</param>
/// <param name="Query">The query with its question mark, or nothing.</param>
/// <param name="Headers">The headers; the last of a name counts.</param>
/// <param name="Body">The body.</param>
public sealed record FuzzRequest(
    string Method, string Path, string Query, ImmutableArray<(string Name, string Value)> Headers, ImmutableArray<byte> Body)
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"{Method} {Path}{Query} {string.Join("; ", Headers.Select(static header => $"{header.Name}: {header.Value}"))} | " +
        $"{Convert.ToBase64String(Body.AsSpan())} | {Encoding.Latin1.GetString(Body.AsSpan())}";
}
