using System.Text.Json.Nodes;
using Microsoft.OpenApi;
using NativeFfn.AspNetCore.Http;

namespace NativeFfn.AspNetCore.OpenApi;

/// <summary>
/// What an OpenAPI document says of the endpoints, where the application makes one (<c>AddOpenApi</c>, <c>MapOpenApi</c>).
/// </summary>
/// <remarks>
/// It is written by hand: the endpoints read and write rows themselves, in two forms, which no signature tells, and a description made of
/// types would depend on the application's JSON settings, which are none of theirs.
/// </remarks>
/// <param name="asksForKey">Whether a request needs a key.</param>
internal sealed class EndpointDescriptions(bool asksForKey)
{
    private const string Json = MediaTypes.Json;

    /// <summary>Adds a description to an endpoint.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="describe">Says what the endpoint takes and gives.</param>
    public void Add(IEndpointConventionBuilder endpoint, Action<OpenApiOperation, OpenApiDocument> describe)
    {
        // Without a method an endpoint is in no document; which one does not matter, as nothing is read off it.
        endpoint.WithMetadata(describe.Method);
        endpoint.AddOpenApiOperationTransformer((operation, context, _) =>
        {
            describe(operation, context.Document!);
            operation.OperationId = Named(operation.OperationId!, context.Description.RelativePath);
            if (asksForKey)
            {
                operation.Security = Components.Security(context.Document!);
            }

            return Task.CompletedTask;
        });
    }

    /// <summary>Describes <c>GET /v1/layers</c>.</summary>
    public void Layers(OpenApiOperation operation, OpenApiDocument document)
    {
        Describe(operation, "listLayers", "The layers, by the names that requests use.");
        operation.Responses!["200"] = Reply("The layers.", (Json, Components.LayerList(document)));
        AddProblems(operation, document, ProblemKind.Unavailable);
    }

    /// <summary>Describes a forward.</summary>
    public void Forward(OpenApiOperation operation, OpenApiDocument document)
    {
        Describe(operation, "forward", "Runs rows through a layer. The answer has the form of the request.");
        operation.Parameters =
        [
            InPath("model", "The model, as GET /v1/layers names it before the slash.", Text()),
            InPath("index", "The layer's index in the model, from 0.", new OpenApiSchema
            {
                Type = JsonSchemaType.Integer, Format = "int32", Minimum = "0",
            }),
            InQuery("mode", "y = FFN(x), y = x + FFN(x), or the block with its norms.", Choice("ffn", "ffn", "residual", "block")),
            InQuery("deadline", "Seconds from the request's head until it is run; else it is answered 504.", new OpenApiSchema
            {
                Type = JsonSchemaType.Number, Format = "double", ExclusiveMinimum = "0", Maximum = $"{ForwardQuery.MaxDeadlineSeconds}",
            }),
            InQuery("priority", "Which of the requests that wait go first.", Choice("normal", "low", "normal", "high")),
            new OpenApiParameter
            {
                Name = "Content-Encoding", In = ParameterLocation.Header, Schema = Choice(null, "gzip", "br", "deflate", "identity"),
                Description = "How the body is compressed; left out where it is not.",
            },
        ];
        (string, IOpenApiSchema)[] forms = [(Json, Components.Rows(document)), (ForwardEndpoint.Binary, Components.BinaryRows)];
        operation.RequestBody = new OpenApiRequestBody
        {
            Required = true, Description = "At least one row, each as wide as the layer's inputWidth.", Content = Content(forms),
        };
        operation.Responses!["200"] = Reply("A row for each row of the request, as wide as the layer's outputWidth.", forms);
        AddProblems(
            operation, document,
            ProblemKind.BadRequest, ProblemKind.BadRows, ProblemKind.LayerUnknown, ProblemKind.BodyTimeout, ProblemKind.BodyTooLarge,
            ProblemKind.MediaType, ProblemKind.QueueFull, ProblemKind.Unavailable, ProblemKind.Deadline);
    }

    /// <summary>Describes the reload of a model.</summary>
    public void Reload(OpenApiOperation operation, OpenApiDocument document)
    {
        Describe(operation, "reloadModel", "Reads a model again and serves it in place of the old one; no request is dropped.");
        operation.Parameters = [InPath("model", "The model.", Text())];
        operation.Responses!["204"] = new OpenApiResponse { Description = "The model that was read is served." };
        AddProblems(operation, document, ProblemKind.LayerUnknown, ProblemKind.Unavailable);
    }

    // An application may have the endpoints more than once, under a prefix each.
    private static string Named(string operation, string? path)
    {
        string prefix = path is null ? string.Empty : path[..Math.Max(0, path.LastIndexOf("v1/", StringComparison.Ordinal))];
        string words = string.Concat(prefix.Where(char.IsAsciiLetterOrDigit));
        return words.Length == 0 ? operation : $"{words}{char.ToUpperInvariant(operation[0])}{operation[1..]}";
    }

    private static void Describe(OpenApiOperation operation, string name, string summary)
    {
        operation.OperationId = name;
        operation.Summary = summary;
        operation.Responses = [];
    }

    // Keys, and what goes wrong inside, can be the end of every request.
    private void AddProblems(OpenApiOperation operation, OpenApiDocument document, params IEnumerable<ProblemKind> problems)
    {
        IEnumerable<ProblemKind> ofKeys = asksForKey ? [ProblemKind.KeyMissing, ProblemKind.KeyWrong] : [];
        foreach (IGrouping<int, ProblemKind> status in problems.Concat(ofKeys).Append(ProblemKind.Failed)
            .GroupBy(static kind => kind.Status).OrderBy(static group => group.Key))
        {
            operation.Responses![$"{status.Key}"] = Components.ProblemReply(document, [.. status]);
        }
    }

    private static OpenApiResponse Reply(string description, params (string, IOpenApiSchema)[] forms) =>
        new() { Description = description, Content = Content(forms) };

    private static Dictionary<string, OpenApiMediaType> Content((string Type, IOpenApiSchema Schema)[] forms) =>
        forms.ToDictionary(static form => form.Type, static form => new OpenApiMediaType { Schema = form.Schema });

    private static OpenApiParameter InPath(string name, string description, OpenApiSchema schema) =>
        new() { Name = name, In = ParameterLocation.Path, Required = true, Description = description, Schema = schema };

    private static OpenApiParameter InQuery(string name, string description, OpenApiSchema schema) =>
        new() { Name = name, In = ParameterLocation.Query, Description = description, Schema = schema };

    private static OpenApiSchema Text() => new() { Type = JsonSchemaType.String };

    private static OpenApiSchema Choice(string? usual, params string[] values) => new()
    {
        Type = JsonSchemaType.String, Default = usual, Enum = [.. values.Select(static value => JsonValue.Create(value))],
    };
}
