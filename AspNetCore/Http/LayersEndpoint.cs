using System.Text.Json;
using NativeFfn.AspNetCore.Json;

namespace NativeFfn.AspNetCore.Http;

/// <summary><c>GET /v1/layers</c>: what can be asked for.</summary>
internal sealed class LayersEndpoint(LayerCatalog layers)
{
    /// <summary>Answers with the list.</summary>
    public Task HandleAsync(HttpContext context)
    {
        context.Response.ContentType = MediaTypes.Json;
        return JsonSerializer.SerializeAsync(
            context.Response.Body, new LayerList([.. layers.Describe()]), EndpointJson.Default.LayerList, context.RequestAborted);
    }
}
