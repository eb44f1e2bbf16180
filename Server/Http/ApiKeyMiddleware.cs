using System.Net;
using System.Security.Cryptography;
using System.Text;
using NativeFfn.Server.Configuration;

namespace NativeFfn.Server.Http;

/// <summary>Lets in who brings a key, or, where there are none, who is on this machine.</summary>
/// <remarks>
/// Keys come as <c>Authorization: Bearer KEY</c> or <c>X-Api-Key: KEY</c>. They are compared by their SHA-256, all of them and in constant
/// time, so that the time taken says nothing about how much of a guess was right.
/// </remarks>
internal sealed class ApiKeyMiddleware
{
    private const string Header = "X-Api-Key";
    private const string Scheme = "Bearer ";

    // Longer than any key; nothing longer is hashed.
    private const int MaxKeyLength = 512;

    private readonly RequestDelegate _next;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly byte[][] _hashes;

    public ApiKeyMiddleware(RequestDelegate next, ServerOptions options, IHostApplicationLifetime lifetime)
    {
        _next = next;
        _lifetime = lifetime;
        _hashes = [.. options.ApiKeys.Select(static key => SHA256.HashData(Encoding.ASCII.GetBytes(key)))];
    }

    public Task InvokeAsync(HttpContext context)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<OpenToAll>() is not null)
        {
            return _next(context);
        }

        if (_hashes.Length == 0)
        {
            RequireLocal(context);
        }
        else
        {
            RequireKey(context.Request.Headers);
        }

        if (_lifetime.ApplicationStopping.IsCancellationRequested)
        {
            throw new RequestException(ProblemKind.Unavailable, "The server is stopping; send the request to another one.");
        }

        return _next(context);
    }

    // The host is looked at as well, so that no page of another site reaches this machine under a name of its own.
    private static void RequireLocal(HttpContext context)
    {
        IPAddress? address = context.Connection.LocalIpAddress;
        if (address is not null && !IPAddress.IsLoopback(address))
        {
            throw new RequestException(ProblemKind.NotLocal, "No API key is configured, so only requests from this machine are answered.");
        }

        string host = context.Request.Host.Host;
        if (host.Length > 0 && !BindingPolicy.IsLoopbackHost(host))
        {
            throw new RequestException(
                ProblemKind.NotLocal, $"No API key is configured, so the host must be localhost or 127.0.0.1, not '{host}'.");
        }
    }

    private void RequireKey(IHeaderDictionary headers)
    {
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

/// <summary>Marks an endpoint that needs no key: the health checks, which orchestrators call.</summary>
internal sealed class OpenToAll;
