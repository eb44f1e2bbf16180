using Microsoft.OpenApi;
using NativeFfn.AspNetCore.Http;

namespace NativeFfn.AspNetCore.OpenApi;

/// <summary>What several endpoints refer to in an OpenAPI document; each is added to the document when it is first asked for.</summary>
internal static class Components
{
    private const string ProblemType = "application/problem+json";
    private const string BearerScheme = "NativeFfnBearer";
    private const string HeaderScheme = "NativeFfnKey";

    /// <summary>Rows as bytes.</summary>
    public static OpenApiSchema BinaryRows => new()
    {
        Type = JsonSchemaType.String, Format = "binary", Description = "Little-endian float32, row-major [rows, width].",
    };

    /// <summary>Rows as JSON.</summary>
    public static IOpenApiSchema Rows(OpenApiDocument document) => Component(document, "FfnRows", static _ => Object(
        "Rows of numbers.",
        ("rows", ArrayOf(ArrayOf(new OpenApiSchema
        {
            // The pattern is for strings alone. Makers of clients take this for a number, and an 'anyOf' for an object.
            Type = JsonSchemaType.Number | JsonSchemaType.String,
            Format = "float",
            Pattern = "^(NaN|-?Infinity)$",
            Description = "A float32. JSON has no NaN and no infinities, so they are strings.",
        })))));

    /// <summary>The list of layers.</summary>
    public static IOpenApiSchema LayerList(OpenApiDocument document) => Component(
        document, "FfnLayerList", static document => Object("The layers.", ("layers", ArrayOf(Layer(document)))));

    /// <summary>Keys come in one of two headers.</summary>
    public static IList<OpenApiSecurityRequirement> Security(OpenApiDocument document)
    {
        document.AddComponent<IOpenApiSecurityScheme>(
            BearerScheme, new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer" });
        document.AddComponent<IOpenApiSecurityScheme>(HeaderScheme, new OpenApiSecurityScheme
        {
            Type = SecuritySchemeType.ApiKey, In = ParameterLocation.Header, Name = ApiKeyRing.Header,
        });
        return
        [
            new() { [new OpenApiSecuritySchemeReference(BearerScheme, document)] = [] },
            new() { [new OpenApiSecuritySchemeReference(HeaderScheme, document)] = [] },
        ];
    }

    /// <summary>The reply of a status that stands for some problems.</summary>
    /// <param name="document">Has the problem's schema.</param>
    /// <param name="kinds">The problems, of one status.</param>
    public static OpenApiResponse ProblemReply(OpenApiDocument document, ProblemKind[] kinds)
    {
        var reply = new OpenApiResponse
        {
            Description = string.Join(" ", kinds.Select(static kind => $"{kind.Title} ({kind.Type}).")),
            Content = new Dictionary<string, OpenApiMediaType> { [ProblemType] = new() { Schema = Problem(document) } },
        };
        if (kinds.Any(static kind => kind.SaysWhenToRetry))
        {
            reply.Headers = new Dictionary<string, IOpenApiHeader>
            {
                ["Retry-After"] = new OpenApiHeader { Description = "Seconds to wait.", Schema = Integer("int32") },
            };
        }

        return reply;
    }

    private static OpenApiSchemaReference Problem(OpenApiDocument document) => Component(document, "FfnProblem", static _ => Object(
        "What went wrong (RFC 9457).",
        ("type", new OpenApiSchema { Type = JsonSchemaType.String, Format = "uri" }),
        ("title", Text()),
        ("status", Integer("int32")),
        ("detail", Text())));

    private static OpenApiSchemaReference Layer(OpenApiDocument document) => Component(document, "FfnLayer", static _ =>
    {
        OpenApiSchema layer = Object(
            "A layer; widths in elements.",
            ("name", Text("What requests call it, such as model/3.")),
            ("kind", Text("Such as swiglu.")),
            ("inputWidth", Integer("int32")),
            ("outputWidth", Integer("int32")),
            ("hiddenWidths", ArrayOf(Integer("int32"))),
            ("modes", ArrayOf(Text())),
            ("experts", Integer("int32", "A mixture's experts; left out where the layer is dense.")),
            ("topK", Integer("int32", "How many experts a token is sent to; left out where the layer is dense.")),
            ("weightBytes", Integer("int64", "Bytes of the weights while they are in memory.")),
            ("loaded", new OpenApiSchema
            {
                Type = JsonSchemaType.Boolean,
                Description = "Whether they are; else a request loads the layer's model first, and what computes it is left out.",
            }),
            ("precision", Text("What the engine was asked to keep weights in, such as auto or bf16.")),
            ("encodings", ArrayOf(Text("An encoding that matrices are kept in."))),
            ("backend", Text("What computes, such as mkl.")),
            ("backendVersion", Text("Its processor, libraries and vectors.")),
            ("threads", Integer("int32", "Threads that one forward uses at most.")),
            ("gemms", Text("Which GEMM multiplies how many tokens, in words.")));
        layer.Required!.ExceptWith(["experts", "topK", "precision", "encodings", "backend", "backendVersion", "threads", "gemms"]);
        return layer;
    });

    private static OpenApiSchemaReference Component(
        OpenApiDocument document, string name, Func<OpenApiDocument, OpenApiSchema> make)
    {
        if (document.Components?.Schemas?.ContainsKey(name) != true)
        {
            document.AddComponent<IOpenApiSchema>(name, make(document));
        }

        return new OpenApiSchemaReference(name, document);
    }

    // Every property is there unless the caller takes it out of the required ones.
    private static OpenApiSchema Object(string description, params (string Name, IOpenApiSchema Schema)[] properties) => new()
    {
        Type = JsonSchemaType.Object,
        Description = description,
        Properties = properties.ToDictionary(static property => property.Name, static property => property.Schema),
        Required = properties.Select(static property => property.Name).ToHashSet(),
        AdditionalPropertiesAllowed = false,
    };

    private static OpenApiSchema ArrayOf(IOpenApiSchema items) => new() { Type = JsonSchemaType.Array, Items = items };

    private static OpenApiSchema Text(string? description = null) => new() { Type = JsonSchemaType.String, Description = description };

    private static OpenApiSchema Integer(string format, string? description = null) =>
        new() { Type = JsonSchemaType.Integer, Format = format, Description = description };
}
