using System.Net;
using Microsoft.AspNetCore.Authorization;
using NativeFfn.AspNetCore.Http;
using NativeFfn.Server.Configuration;

namespace NativeFfn.Server.Http;

/// <summary>Lets in who brings a key, or, where there are none, who is on this machine.</summary>
/// <remarks>The layers' endpoints ask for a key themselves; this is for the page's, the metrics and addresses that there are not.</remarks>
internal sealed class ApiKeyMiddleware
{
    private readonly RequestDelegate _next;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly ApiKeyRing _keys;

    public ApiKeyMiddleware(RequestDelegate next, ServerOptions options, IHostApplicationLifetime lifetime)
    {
        _next = next;
        _lifetime = lifetime;
        _keys = new ApiKeyRing(options.ApiKeys);
    }

    public Task InvokeAsync(HttpContext context)
    {
        EndpointMetadataCollection? endpoint = context.GetEndpoint()?.Metadata;
        if (endpoint?.GetMetadata<IAllowAnonymous>() is not null)
        {
            return _next(context);
        }

        if (!_keys.AsksForKey)
        {
            RequireLocal(context);
        }
        else if (endpoint?.GetMetadata<EndpointGuard>() is null)
        {
            _keys.Require(context.Request.Headers);
        }

        EndpointGuard.RequireRunning(_lifetime);
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
}
