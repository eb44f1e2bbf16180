using NativeFfn.Hosting;

namespace NativeFfn.AspNetCore.Http;

/// <summary><c>POST /v1/models/{model}/reload</c>: the model's files are read again, and what they hold is served in its place.</summary>
internal sealed class ReloadEndpoint(IFfnModels models)
{
    /// <summary>Answers 204 when the new model is served.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        await models.ReloadAsync((string)context.Request.RouteValues["model"]!, context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }
}
