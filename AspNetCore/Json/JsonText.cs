using NativeFfn.AspNetCore.Http;

namespace NativeFfn.AspNetCore.Json;

/// <summary>The bytes of a JSON body, which are UTF-8 as RFC 8259 has it.</summary>
internal static class JsonText
{
    /// <summary>What is said of a string that is no text.</summary>
    public const string NoUnicode = "A string of the JSON is no Unicode: it has bytes that are no UTF-8, or half of a surrogate pair.";

    /// <summary>The text without a byte order mark.</summary>
    /// <exception cref="RequestException">It is UTF-16 or UTF-32.</exception>
    public static ReadOnlySpan<byte> Utf8(ReadOnlySpan<byte> body)
    {
        // JSON begins with two characters of ASCII, so that a zero among the first bytes is a wider encoding.
        if (body.StartsWith<byte>([0xFE, 0xFF]) || body.StartsWith<byte>([0xFF, 0xFE])
            || body[..Math.Min(2, body.Length)].Contains((byte)0))
        {
            throw new RequestException(ProblemKind.MediaType, "The JSON is UTF-16 or UTF-32; send UTF-8.");
        }

        return body.StartsWith("\uFEFF"u8) ? body[3..] : body;
    }
}
