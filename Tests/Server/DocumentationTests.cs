using System.Reflection;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using NativeFfn.AspNetCore;
using NativeFfn.AspNetCore.Http;
using NativeFfn.Server.Configuration;
using NativeFfn.Tests.Readme;
using NUnit.Framework;

namespace NativeFfn.Tests.Server;

/// <summary>The documentation of the server, held against the server.</summary>
public sealed class DocumentationTests
{
    private static string ServerText => Documents.Read("docs/server.md");

    [Test]
    public void Every_error_is_listed_under_its_status()
    {
        string[] rows = [.. ServerText.Split('\n').Where(
            static line => line.StartsWith("| 4", StringComparison.Ordinal) || line.StartsWith("| 5", StringComparison.Ordinal))];
        ProblemKind[] kinds = [.. typeof(ProblemKind).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Select(static field => field.GetValue(null)).OfType<ProblemKind>()];
        Assert.That(kinds, Has.Length.GreaterThan(10));
        Assert.Multiple(() =>
        {
            foreach (ProblemKind kind in kinds)
            {
                Assert.That(
                    rows.Any(row => row.Split('|')[1].Contains($"{kind.Status}", StringComparison.Ordinal) && row.Contains(
                        $"`{kind.Name}`", StringComparison.Ordinal)),
                    Is.True,
                    $"{kind.Status} {kind.Name}");
            }
        });
    }

    [Test]
    public void Every_option_is_listed_with_its_default()
    {
        var defaults = new ServerOptions();
        Assert.Multiple(() =>
        {
            Assert.That(ServerText, Does.Match(@"\| `ApiKeys` \|[^|]+\| none \|"));
            Assert.That(ServerText, Does.Match($@"\| `MaxRequestBytes` \|[^|]+\| {defaults.MaxRequestBytes} \|"));
            Assert.That(ServerText, Does.Match($@"\| `MaxBufferedBytes` \|[^|]+\| {defaults.MaxBufferedBytes} \|"));
            Assert.That(ServerText, Does.Match($@"\| `MaxConnections` \|[^|]+\| {defaults.MaxConnections} \|"));
            Assert.That(ServerText, Does.Match(@"\| `Explorer:Enabled` \|[^|]+\| true \|"));
            Assert.That(ServerText, Does.Match($@"\| `Explorer:MaxTokens` \|[^|]+\| {defaults.Explorer.MaxTokens} \|"));
            Assert.That(typeof(ServerOptions).GetProperties(), Has.Length.EqualTo(5), "a new option has a row and a line here");
        });
    }

    [Test]
    public void Every_option_of_the_endpoints_is_known_and_listed_with_its_default()
    {
        var defaults = new NativeFfnEndpointOptions();
        Assert.Multiple(() =>
        {
            foreach (PropertyInfo property in typeof(NativeFfnEndpointOptions).GetProperties())
            {
                object value = property.GetValue(defaults)!;
                bool isList = value is string[];
                string text = isList ? "none" : $"{value}".ToLowerInvariant();
                Assert.That(ServerText, Does.Match($@"\| `{property.Name}` \|[^|]+\| {text} \|"), property.Name);
                (string key, string set) = isList ? ($"{property.Name}:0", "0123456789abcdef") : (property.Name, $"{value}");
                IConfiguration configuration = new ConfigurationBuilder()
                    .AddInMemoryCollection([KeyValuePair.Create($"NativeFfnEndpoints:{key}", (string?)set)]).Build();
                Assert.That(
                    () => EndpointOptionsBinder.Bind(configuration.GetSection("NativeFfnEndpoints"), new NativeFfnEndpointOptions()),
                    Throws.Nothing, property.Name);
            }
        });
    }

    [TestCase(400, 400, "bad-request")]
    [TestCase(408, 408, "body-timeout")]
    [TestCase(413, 413, "body-too-large")]
    [TestCase(431, 400, "bad-request")]
    public void What_kestrel_refuses_has_its_name(int status, int told, string name)
    {
        (ProblemKind kind, _, _) = ProblemKind.Of(new BadHttpRequestException("refused", status));
        Assert.Multiple(() =>
        {
            Assert.That(kind.Status, Is.EqualTo(told));
            Assert.That(kind.Name, Is.EqualTo(name));
        });
    }

    [Test]
    public void A_gpu_that_failed_past_the_queue_is_unavailable_and_tells_clients_nothing_of_itself()
    {
        (ProblemKind kind, string detail, int? retryAfter) = ProblemKind.Of(
            new DeviceFailedException("at 0x7f", isFatal: true, new InvalidOperationException()));
        Assert.Multiple(() =>
        {
            Assert.That(kind, Is.EqualTo(ProblemKind.Unavailable));
            Assert.That(detail, Does.Not.Contain("0x7f"));
            Assert.That(retryAfter, Is.Positive);
        });
    }
}
