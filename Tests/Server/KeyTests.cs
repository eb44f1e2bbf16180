using System.Net;
using NUnit.Framework;

namespace NativeFfn.Tests.Server;

/// <summary>API keys: who is let in, and with what.</summary>
public sealed class KeyTests
{
    private const string First = "the-first-key-of-two";
    private const string Second = "the-second-key-of-two";

    private ServerUnderTest _server = null!;

    [OneTimeSetUp]
    public async Task StartAsync() =>
        _server = await ServerUnderTest.StartAsync($"--Server:ApiKeys:0={First}", $"--Server:ApiKeys:1={Second}");

    [OneTimeTearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [TestCase("/v1/layers")]
    [TestCase("/metrics")]
    [TestCase("/openapi/v1.json")]
    [TestCase("/nowhere")]
    public async Task Without_a_key_the_answer_is_401(string address)
    {
        using HttpResponseMessage answer = await _server.Client.GetAsync(new Uri(address, UriKind.Relative));
        await ServerUnderTest.AssertProblemAsync(answer, 401, "key-missing");
        Assert.That(answer.Headers.WwwAuthenticate.Single().Scheme, Is.EqualTo("Bearer"));
    }

    [TestCase("X-Api-Key", "the-third-key-of-two")]
    [TestCase("X-Api-Key", "the-first-key-of-tw")]
    [TestCase("X-Api-Key", "the-first-key-of-two!")]
    [TestCase("Authorization", "Bearer another-key-altogether")]
    public async Task With_a_wrong_key_the_answer_is_403(string header, string value)
    {
        using HttpResponseMessage answer = await GetAsync("/v1/layers", header, value);
        await ServerUnderTest.AssertProblemAsync(answer, 403, "key-wrong");
    }

    [Test]
    public async Task A_key_of_any_length_is_only_wrong()
    {
        using HttpResponseMessage answer = await GetAsync("/v1/layers", "X-Api-Key", new string('k', 10_000));
        await ServerUnderTest.AssertProblemAsync(answer, 403, "key-wrong");
    }

    [TestCase("X-Api-Key", First)]
    [TestCase("X-Api-Key", Second)]
    [TestCase("Authorization", "Bearer " + Second)]
    [TestCase("Authorization", "bearer " + First)]
    public async Task With_a_key_the_answer_comes(string header, string value)
    {
        using HttpResponseMessage answer = await GetAsync("/v1/layers", header, value);
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [TestCase("/healthz/live")]
    [TestCase("/healthz/ready")]
    [TestCase("/")]
    [TestCase("/explorer.js")]
    public async Task Health_and_the_page_need_none(string address)
    {
        using HttpResponseMessage answer = await _server.Client.GetAsync(new Uri(address, UriKind.Relative));
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Without_keys_a_request_for_another_host_is_refused()
    {
        await using ServerUnderTest open = await ServerUnderTest.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/layers");
        request.Headers.Host = "rebound.example";
        using HttpResponseMessage answer = await open.Client.SendAsync(request);
        await ServerUnderTest.AssertProblemAsync(answer, 403, "not-local");
    }

    private async Task<HttpResponseMessage> GetAsync(string address, string header, string value)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.TryAddWithoutValidation(header, value);
        return await _server.Client.SendAsync(request);
    }
}
