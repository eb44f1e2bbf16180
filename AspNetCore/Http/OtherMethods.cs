namespace NativeFfn.AspNetCore.Http;

/// <summary>
/// Answers 405 with <c>Allow</c> to methods that an address does not take. By itself, routing would let gRPC's "no such service" have some.
/// </summary>
internal static class OtherMethods
{
    private static readonly string[] Methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

    /// <summary>Refuses what addresses do not take.</summary>
    /// <param name="endpoints">Where the addresses are.</param>
    /// <param name="allowed">What they take, as <c>Allow</c> has it.</param>
    /// <param name="isOpen">Whether they need no key.</param>
    /// <param name="addresses">The addresses.</param>
    public static void Refuse(IEndpointRouteBuilder endpoints, string allowed, bool isOpen, params IEnumerable<string> addresses)
    {
        string[] others = [.. Methods.Except(allowed.Split(", "))];
        foreach (string address in addresses)
        {
            IEndpointConventionBuilder endpoint = endpoints.MapMethods(address, others, Refusal);
            if (isOpen)
            {
                endpoint.AllowAnonymous();
            }
        }

        Task Refusal(HttpContext context)
        {
            context.Response.Headers.Allow = allowed;
            context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            return Task.CompletedTask;
        }
    }
}
