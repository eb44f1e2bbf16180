using System.Net;
using System.Security.Claims;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using NativeFfn.AspNetCore;
using NativeFfn.Hosting;
using NativeFfn.Tests.Server;
using NUnit.Framework;

namespace NativeFfn.Tests.AspNetCore;

/// <summary>The endpoints in an application of somebody's own.</summary>
public sealed class EndpointTests
{
    private const string Forward = "/v1/layers/made/0/forward";
    private const string Key = "a-key-for-these-tests";

    [Test]
    public async Task Rows_come_back_under_a_prefix_to_who_is_authorized_and_others_are_kept_out()
    {
        await using EndpointApp app = await EndpointApp.StartAsync(
            static app => app.MapGroup("/ffn").MapNativeFfn().RequireAuthorization(),
            static builder =>
            {
                builder.Services.AddAuthentication(NamedUser.Scheme)
                    .AddScheme<AuthenticationSchemeOptions, NamedUser>(NamedUser.Scheme, null);
                builder.Services.AddAuthorization();
                builder.Services.AddNativeFfnEndpoints();
            });
        float[] rows = EndpointApp.Rows(3);
        using HttpResponseMessage stranger = await app.PostAsync("/ffn" + Forward, rows);
        Assert.That(stranger.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        app.Client.DefaultRequestHeaders.Add(NamedUser.Header, "Ada");
        using HttpResponseMessage answer = await app.PostAsync("/ffn" + Forward, rows);
        Assert.That(await ServerUnderTest.ReadRowsAsync(answer), Is.EqualTo(app.Expected(rows)).Within(1e-6));
        using HttpResponseMessage elsewhere = await app.PostAsync(Forward, rows);
        Assert.That(elsewhere.StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
    }

    [Test]
    public async Task Zero_rows_are_refused_in_both_forms()
    {
        await using EndpointApp app = await EndpointApp.StartAsync(static app => app.MapNativeFfn());
        using HttpResponseMessage binary = await app.PostAsync(Forward, []);
        using HttpResponseMessage json = await app.PostAsync(Forward, "{\"rows\": []}");
        using HttpResponseMessage row = await app.PostAsync(Forward, "{\"rows\": [[]]}");
        foreach (HttpResponseMessage refused in (HttpResponseMessage[])[binary, json, row])
        {
            await ServerUnderTest.AssertProblemAsync(refused, 400, "bad-rows");
        }
    }

    [Test]
    public async Task Problems_are_for_these_endpoints_alone()
    {
        await using EndpointApp app = await EndpointApp.StartAsync(static app =>
        {
            app.MapNativeFfn();
            app.MapGet("/own", static () => Microsoft.AspNetCore.Http.Results.Conflict());
        });
        using HttpResponseMessage own = await app.GetAsync("/own");
        using HttpResponseMessage nothing = await app.GetAsync("/nothing");
        Assert.That((own.StatusCode, own.Content.Headers.ContentType), Is.EqualTo((HttpStatusCode.Conflict, (object?)null)));
        Assert.That(nothing.Content.Headers.ContentType, Is.Null);
        using HttpResponseMessage unknown = await app.PostAsync("/v1/layers/made/7/forward", EndpointApp.Rows(1));
        await ServerUnderTest.AssertProblemAsync(unknown, 404, "layer-unknown");
        using HttpResponseMessage method = await app.GetAsync(Forward);
        await ServerUnderTest.AssertProblemAsync(method, 405, "method");
        Assert.That(method.Content.Headers.Allow, Is.EqualTo(new[] { "POST" }));
    }

    [Test]
    public async Task The_list_tells_what_a_mixture_is_whatever_the_applications_json_is_like()
    {
        await using EndpointApp app = await EndpointApp.StartAsync(static app => app.MapNativeFfn(), static builder =>
        {
            builder.Services.AddNativeFfnEndpoints();
            builder.Services.ConfigureHttpJsonOptions(
                static json => json.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseUpper);
        });
        using JsonDocument list = JsonDocument.Parse(await app.Client.GetStringAsync(new Uri("/v1/layers", UriKind.Relative)));
        JsonElement[] layers = [.. list.RootElement.GetProperty("layers").EnumerateArray()];
        Assert.That(layers.Select(static layer => layer.GetProperty("name").GetString()), Is.EqualTo(new[] { "made/0", "made/1" }));
        Assert.That(layers[0].TryGetProperty("experts", out _), Is.False);
        Assert.That((layers[1].GetProperty("experts").GetInt32(), layers[1].GetProperty("topK").GetInt32()), Is.EqualTo((4, 2)));
        Assert.That(layers[1].GetProperty("encodings")[0].GetString(), Is.EqualTo("f32"));
        Assert.That(layers[1].GetProperty("gemms").GetString(), Is.EqualTo("panels"));
    }

    [Test]
    public async Task The_list_tells_what_made_room_and_a_request_brings_it_back()
    {
        long bound = 0;
        await using (EndpointApp measured = await EndpointApp.StartAsync(static app => app.MapNativeFfn()))
        {
            bound = measured.App.Services.GetRequiredService<IFfnClient>().Layers.Sum(static layer => layer.WeightBytes);
        }

        await using EndpointApp app = await EndpointApp.StartAsync(static app => app.MapNativeFfn(), builder =>
        {
            builder.Services.AddNativeFfnEndpoints();
            builder.Services.Configure<NativeFfnOptions>(options =>
            {
                options.AddLayer("other", EndpointApp.Dense, new XavierWeights(EndpointApp.Dense, seed: 3));
                options.Models["made"].MayUnload = true;
                options.Models["other"].MayUnload = true;
                options.MaxWeightBytes = bound;
            });
        });
        Assert.That(await LoadedAsync(app), Is.EqualTo(new[] { "other/0" }));
        float[] rows = EndpointApp.Rows(1);
        using HttpResponseMessage answered = await app.PostAsync(Forward, rows);
        Assert.That(answered.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await LoadedAsync(app), Is.EqualTo(new[] { "made/0", "made/1" }));

        static async Task<string[]> LoadedAsync(EndpointApp app)
        {
            using JsonDocument list = JsonDocument.Parse(await app.Client.GetStringAsync(new Uri("/v1/layers", UriKind.Relative)));
            JsonElement[] layers = [.. list.RootElement.GetProperty("layers").EnumerateArray()];
            Assert.That(layers, Has.Length.EqualTo(3));
            return
            [
                .. from layer in layers
                   where layer.GetProperty("loaded").GetBoolean() && layer.GetProperty("gemms").GetString() == "panels"
                   select layer.GetProperty("name").GetString(),
            ];
        }
    }

    [Test]
    public async Task A_model_is_read_again_and_an_engine_with_a_key_has_a_group_of_its_own()
    {
        await using EndpointApp app = await EndpointApp.StartAsync(
            static app =>
            {
                app.MapNativeFfn();
                app.MapGroup("/second").MapKeyedNativeFfn("second");
            },
            static builder =>
            {
                builder.Services.AddNativeFfnEndpoints();
                builder.Services.AddKeyedNativeFfn("second", static options => options
                    .ConfigureEngine(static engine => engine with { Backend = BackendKind.Managed, Threads = 1 })
                    .AddLayer("other", EndpointApp.Dense, new XavierWeights(EndpointApp.Dense, seed: 3)));
            });
        float[] rows = EndpointApp.Rows(2);
        using HttpResponseMessage reload = await app.PostAsync("/v1/models/made/reload", []);
        Assert.That(reload.StatusCode, Is.EqualTo(HttpStatusCode.NoContent));
        using HttpResponseMessage first = await app.PostAsync(Forward, rows);
        Assert.That(await ServerUnderTest.ReadRowsAsync(first), Is.EqualTo(app.Expected(rows)).Within(1e-6));
        using HttpResponseMessage second = await app.PostAsync("/second/v1/layers/other/0/forward", rows);
        Assert.That(
            await ServerUnderTest.ReadRowsAsync(second), Is.EqualTo(app.Expected(rows, "other/0", engine: "second")).Within(1e-6));
        using HttpResponseMessage unknown = await app.PostAsync("/second/v1/models/made/reload", []);
        await ServerUnderTest.AssertProblemAsync(unknown, 404, "layer-unknown");
    }

    [Test]
    public async Task Keys_of_the_section_are_asked_for_here_and_not_by_health()
    {
        await using EndpointApp app = await EndpointApp.StartAsync(
            static app =>
            {
                app.MapNativeFfn();
                app.MapNativeFfnHealthChecks();
            },
            static builder =>
            {
                builder.Configuration.AddInMemoryCollection([KeyValuePair.Create("NativeFfnEndpoints:ApiKeys:0", (string?)Key)]);
                builder.Services.AddNativeFfnEndpoints();
            });
        using HttpResponseMessage none = await app.GetAsync("/v1/layers");
        await ServerUnderTest.AssertProblemAsync(none, 401, "key-missing");
        foreach (string check in (string[])["/healthz/live", "/healthz/ready"])
        {
            using HttpResponseMessage health = await app.GetAsync(check);
            Assert.That(health.StatusCode, Is.EqualTo(HttpStatusCode.OK), check);
        }

        app.Client.DefaultRequestHeaders.Add("X-Api-Key", Key);
        using HttpResponseMessage list = await app.GetAsync("/v1/layers");
        Assert.That(list.StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [TestCase("MaxRequestBytes", "0", "NativeFfnEndpoints:MaxRequestBytes is 0, but must be at least 1.")]
    [TestCase("MaxRequestBytes", "many", "NativeFfnEndpoints:MaxRequestBytes")]
    [TestCase("MaxBufferedBytes", "1", "NativeFfnEndpoints:MaxBufferedBytes is 1")]
    [TestCase("MaxRequestByte", "1", "NativeFfnEndpoints:MaxRequestByte is no option. There are NativeFfnEndpoints:ApiKeys:0, ")]
    [TestCase("ApiKeys", Key, "NativeFfnEndpoints:ApiKeys has one value, but is a list")]
    [TestCase("ApiKeys:0", "short", "NativeFfnEndpoints:ApiKeys:0 must have at least 16 characters")]
    public async Task A_key_or_a_value_of_the_section_that_cannot_be_ends_the_start(string key, string value, string why)
    {
        OptionsValidationException thrown = (await Assert.ThrowsAsync<OptionsValidationException>(async () =>
        {
            await using EndpointApp app = await EndpointApp.StartAsync(static app => app.MapNativeFfn(), builder =>
            {
                builder.Configuration.AddInMemoryCollection([KeyValuePair.Create($"NativeFfnEndpoints:{key}", (string?)value)]);
                builder.Services.AddNativeFfnEndpoints();
            });
        }))!;
        Assert.That(thrown.Message, Does.Contain(why).And.Not.Contain(Key).And.Not.Contain("short"));
    }

    [Test]
    public async Task A_body_may_have_the_endpoints_limit_where_the_servers_own_is_lower()
    {
        const int Limit = 64 * EndpointApp.Width * sizeof(float);
        await using EndpointApp app = await EndpointApp.StartAsync(static app => app.MapNativeFfn(), static builder =>
        {
            builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Limits.MaxRequestBodySize = 10);
            builder.Services.AddNativeFfnEndpoints(static options => options.MaxRequestBytes = Limit);
        });
        using HttpResponseMessage whole = await app.PostAsync(Forward, EndpointApp.Rows(64));
        Assert.That(whole.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        using HttpResponseMessage large = await app.PostAsync(Forward, EndpointApp.Rows(65));
        await ServerUnderTest.AssertProblemAsync(large, 413, "body-too-large");
    }

    [Test]
    public async Task A_reload_that_is_turned_off_is_not_there()
    {
        await using EndpointApp app = await EndpointApp.StartAsync(
            static app => app.MapNativeFfn(),
            static builder => builder.Services.AddNativeFfnEndpoints(static options => options.ModelReload = false));
        using HttpResponseMessage reload = await app.PostAsync("/v1/models/made/reload", []);
        Assert.That(reload.StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        using HttpResponseMessage list = await app.GetAsync("/v1/layers");
        Assert.That(list.StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public void Services_that_were_not_added_are_named()
    {
        Assert.That(
            static () => WebApplication.CreateSlimBuilder().Build().MapNativeFfn(),
            Throws.InvalidOperationException.With.Message.Contains("AddNativeFfnEndpoints"));
        Assert.That(
            static () => WebApplication.CreateSlimBuilder().Build().MapNativeFfnGrpc(),
            Throws.InvalidOperationException.With.Message.Contains("AddNativeFfnGrpc"));
        Assert.That(
            static () =>
            {
                WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
                builder.Services.AddNativeFfnEndpoints();
                builder.Build().MapKeyedNativeFfn("gpu");
            },
            Throws.InvalidOperationException.With.Message.Contains("AddKeyedNativeFfn(\"gpu\""));
    }

    /// <summary>Takes whoever gives a name for a user.</summary>
    private sealed class NamedUser(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
    {
        public new const string Scheme = "named";
        public const string Header = "X-User";

        protected override Task<AuthenticateResult> HandleAuthenticateAsync() =>
            Task.FromResult(Request.Headers[Header].FirstOrDefault() is { } name
                ? AuthenticateResult.Success(new AuthenticationTicket(
                    new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, name)], Scheme)), Scheme))
                : AuthenticateResult.NoResult());
    }
}
