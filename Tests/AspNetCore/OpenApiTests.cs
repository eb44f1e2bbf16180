using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;
using Microsoft.OpenApi.Reader;
using NativeFfn.AspNetCore;
using NUnit.Framework;

namespace NativeFfn.Tests.AspNetCore;

/// <summary>What an OpenAPI document says of the endpoints: it is valid, complete, and true.</summary>
public sealed class OpenApiTests
{
    private const string Forward = "/v1/layers/{model}/{index}/forward";

    [TestCase(OpenApiSpecVersion.OpenApi3_0)]
    [TestCase(OpenApiSpecVersion.OpenApi3_1)]
    public async Task The_document_is_valid_and_has_every_endpoint_under_every_prefix(OpenApiSpecVersion version)
    {
        await using EndpointApp app = await StartAsync(version, key: null);
        OpenApiDocument document = await ReadAsync(app);
        Assert.That(document.Paths.Keys, Is.EquivalentTo(new[]
        {
            "/v1/layers", Forward, "/v1/models/{model}/reload",
            "/again/v1/layers", "/again" + Forward, "/again/v1/models/{model}/reload",
        }));
        OpenApiOperation[] operations = [.. document.Paths.Values.SelectMany(static path => path.Operations!.Values)];
        Assert.That(operations.Select(static operation => operation.OperationId), Is.Unique);
        Assert.That(operations.Select(static operation => operation.OperationId), Is.SupersetOf(new[] { "forward", "againForward" }));
        Assert.That(operations.Select(static operation => operation.Security ?? []), Has.All.Empty);
    }

    [Test]
    public async Task A_forward_has_both_forms_its_parameters_and_every_problem()
    {
        await using EndpointApp app = await StartAsync(OpenApiSpecVersion.OpenApi3_1, key: "a-key-for-these-tests");
        OpenApiDocument document = await ReadAsync(app);
        OpenApiOperation forward = document.Paths[Forward].Operations![HttpMethod.Post];
        using (Assert.EnterMultipleScope())
        {
            string[] forms = ["application/json", "application/octet-stream"];
            Assert.That(forward.RequestBody!.Content!.Keys, Is.EqualTo(forms));
            Assert.That(forward.Responses!["200"].Content!.Keys, Is.EqualTo(forms));
            Assert.That(
                forward.Parameters!.Select(static parameter => parameter.Name),
                Is.EqualTo(new[] { "model", "index", "mode", "deadline", "priority", "Content-Encoding" }));
            Assert.That(
                forward.Responses.Keys,
                Is.EquivalentTo(new[] { "200", "400", "401", "403", "404", "408", "413", "415", "429", "500", "503", "504" }));
            Assert.That(forward.Responses["429"].Headers!.Keys, Is.EqualTo(new[] { "Retry-After" }));
            Assert.That(forward.Responses["504"].Description, Does.Contain("urn:nativeffn:deadline"));
            Assert.That(forward.Security, Has.Count.EqualTo(2));
            Assert.That(document.Components!.SecuritySchemes!.Values.Select(static scheme => scheme.Type), Is.EquivalentTo(
                new[] { SecuritySchemeType.Http, SecuritySchemeType.ApiKey }));
        }
    }

    [Test]
    public async Task A_layer_is_as_the_document_says()
    {
        await using EndpointApp app = await StartAsync(OpenApiSpecVersion.OpenApi3_1, key: null);
        IOpenApiSchema schema = (await ReadAsync(app)).Components!.Schemas!["FfnLayer"];
        using JsonDocument list = JsonDocument.Parse(await app.Client.GetStringAsync(new Uri("/v1/layers", UriKind.Relative)));
        string[][] layers =
        [
            .. list.RootElement.GetProperty("layers").EnumerateArray().Select(static layer =>
                layer.EnumerateObject().Select(static property => property.Name).ToArray()),
        ];
        Assert.That(layers[0], Is.SupersetOf(schema.Required!), "every layer has what is required");
        Assert.That(layers[0], Is.EquivalentTo(schema.Properties!.Keys.Except(["experts", "topK"])), "a dense layer in memory");
        Assert.That(layers[1], Is.EquivalentTo(schema.Properties!.Keys), "a mixture has everything");
    }

    private static Task<EndpointApp> StartAsync(OpenApiSpecVersion version, string? key) => EndpointApp.StartAsync(
        static app =>
        {
            app.MapNativeFfn();
            app.MapGroup("/again").MapNativeFfn();
            app.MapOpenApi();
        },
        builder =>
        {
            builder.Services.AddNativeFfnEndpoints(options => options.ApiKeys = key is null ? [] : [key]);
            builder.Services.AddOpenApi(options => options.OpenApiVersion = version);
        });

    private static async Task<OpenApiDocument> ReadAsync(EndpointApp app)
    {
        await using Stream json = await app.Client.GetStreamAsync(new Uri("/openapi/v1.json", UriKind.Relative));
        ReadResult read = await OpenApiDocument.LoadAsync(json, OpenApiConstants.Json);
        Assert.That(read.Diagnostic!.Errors.Select(static error => error.ToString()), Is.Empty);
        Assert.That(read.Diagnostic.Warnings.Select(static warning => warning.ToString()), Is.Empty);
        return read.Document!;
    }
}
