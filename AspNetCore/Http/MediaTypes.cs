using Microsoft.Net.Http.Headers;

namespace NativeFfn.AspNetCore.Http;

/// <summary>What a request says its body is.</summary>
internal static class MediaTypes
{
    public const string Json = "application/json";

    /// <summary>Whether the body is of a type, whatever parameters follow it.</summary>
    public static bool Is(HttpRequest request, string type)
    {
        ReadOnlySpan<char> actual = request.ContentType;
        int parameters = actual.IndexOf(';');
        return (parameters < 0 ? actual : actual[..parameters]).Trim().Equals(type, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Whether the body is JSON.</summary>
    /// <exception cref="RequestException">It is, in a charset that is not UTF-8.</exception>
    public static bool IsJson(HttpRequest request)
    {
        if (!Is(request, Json))
        {
            return false;
        }

        if (MediaTypeHeaderValue.TryParse(request.ContentType, out MediaTypeHeaderValue? type) && type.Charset.Length > 0
            && !type.Charset.AsSpan().Trim('"').Equals("utf-8", StringComparison.OrdinalIgnoreCase))
        {
            throw new RequestException(ProblemKind.MediaType, $"The charset is {type.Charset}, but JSON is read as utf-8 only.");
        }

        return true;
    }
}
