using System.Security.Cryptography;
using System.Text;

namespace NativeFfn.AspNetCore.Http;

/// <summary>The keys of which a request must bring one, where there are any.</summary>
/// <remarks>
/// They come as <c>Authorization: Bearer KEY</c> or <c>X-Api-Key: KEY</c>. They are compared by their SHA-256, all of them and in constant
/// time, so that the time taken says nothing about how much of a guess was right.
/// </remarks>
/// <param name="keys">The keys; none lets everybody in.</param>
internal sealed class ApiKeyRing(IEnumerable<string> keys)
{
    /// <summary>The header that has a key, beside <c>Authorization</c>.</summary>
    public const string Header = "X-Api-Key";

    /// <summary>128 bits in hexadecimal digits would be 32 characters; shorter than this is a password, not a key.</summary>
    public const int MinKeyLength = 16;

    private const string Scheme = "Bearer ";

    // Longer than any key; nothing longer is hashed.
    private const int MaxKeyLength = 512;

    private readonly byte[][] _hashes = [.. keys.Select(static key => SHA256.HashData(Encoding.ASCII.GetBytes(key)))];

    /// <summary>Whether there are keys.</summary>
    public bool AsksForKey => _hashes.Length > 0;

    /// <summary>Whether a key may be configured: long enough, and visible ASCII, which every header can have.</summary>
    public static bool IsSound(string? key) =>
        key is { Length: >= MinKeyLength } && key.All(static letter => letter is > ' ' and <= '~');

    /// <summary>Refuses a request without one of the keys.</summary>
    /// <exception cref="RequestException">It brings none, or another.</exception>
    public void Require(IHeaderDictionary headers)
    {
        if (!AsksForKey)
        {
            return;
        }

        string? bearer = headers.Authorization;
        string? key = bearer is not null && bearer.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            ? bearer[Scheme.Length..] : headers[Header];
        if (string.IsNullOrEmpty(key))
        {
            throw new RequestException(ProblemKind.KeyMissing, $"Send one as 'Authorization: Bearer KEY' or '{Header}: KEY'.");
        }

        if (!IsKnown(key))
        {
            throw new RequestException(ProblemKind.KeyWrong, "The key that came with the request is none of this server's.");
        }
    }

    private bool IsKnown(string key)
    {
        if (key.Length > MaxKeyLength)
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[Encoding.UTF8.GetMaxByteCount(MaxKeyLength)];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes[..Encoding.UTF8.GetBytes(key, bytes)], hash);
        bool known = false;
        foreach (byte[] expected in _hashes)
        {
            known |= CryptographicOperations.FixedTimeEquals(hash, expected);
        }

        return known;
    }
}
