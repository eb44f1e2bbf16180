using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.Extensions.Options;

namespace NativeFfn.AspNetCore.Http;

/// <summary>
/// What stands around an endpoint of this package, and around no other of the application: problem details for whatever goes wrong inside,
/// keys, the end of the host, limits, and content encodings.
/// </summary>
/// <remarks>It is metadata of the endpoints that it stands around.</remarks>
/// <param name="options">Keys and limits.</param>
/// <param name="lifetime">Says when the host stops.</param>
/// <param name="log">Told of what is this side's failure.</param>
internal sealed class EndpointGuard(
    IOptions<NativeFfnEndpointOptions> options, IHostApplicationLifetime lifetime, ILogger<Problems> log) : IRequestSizeLimitMetadata
{
    private readonly ApiKeyRing _keys = new(options.Value.ApiKeys);

    /// <summary>Whether a request needs a key.</summary>
    public bool AsksForKey => _keys.AsksForKey;

    /// <summary>Bytes of a body, in place of the server's own limit.</summary>
    public long? MaxRequestBodySize => options.Value.MaxRequestBytes;

    /// <summary>Refuses what comes after the host was told to stop.</summary>
    /// <exception cref="RequestException">It was.</exception>
    public static void RequireRunning(IHostApplicationLifetime lifetime)
    {
        if (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            throw new RequestException(ProblemKind.Unavailable, "The server is stopping; send the request to another one.");
        }
    }

    /// <summary>Stands around endpoints.</summary>
    /// <param name="endpoints">One endpoint or a group.</param>
    public void StandAround(IEndpointConventionBuilder endpoints) => endpoints.Add(endpoint =>
    {
        endpoint.Metadata.Add(this);
        endpoint.RequestDelegate = Around(endpoint.RequestDelegate!);
    });

    private RequestDelegate Around(RequestDelegate next)
    {
        RequestDelegate decoded = new ContentEncodings(next, options.Value.MaxRequestBytes).InvokeAsync;
        RequestDelegate admitted = context =>
        {
            _keys.Require(context.Request.Headers);
            RequireRunning(lifetime);
            return decoded(context);
        };
        return new Problems(admitted, log).InvokeAsync;
    }
}
