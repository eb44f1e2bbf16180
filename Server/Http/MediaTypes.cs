namespace NativeFfn.Server.Http;

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

    public static bool IsJson(HttpRequest request) => Is(request, Json);
}
