using Microsoft.Extensions.Configuration;
using NativeFfn.Hosting;
using NativeFfn.Server;
using NativeFfn.Server.Configuration;
using NUnit.Framework;

namespace NativeFfn.Tests.Server;

/// <summary>Configurations that the server does not start with, and how it says so.</summary>
public sealed class ConfigurationTests
{
    [TestCase("http://0.0.0.0:8080")]
    [TestCase("http://*:8080")]
    [TestCase("http://+:8080")]
    [TestCase("http://[::]:8080")]
    [TestCase("http://192.0.2.1:8080")]
    [TestCase("http://127.0.0.1.example:8080")]
    [TestCase("https://server.example")]
    [TestCase("nonsense")]
    [TestCase("")]
    public void An_address_that_others_can_reach_needs_a_key(string address)
    {
        IConfiguration configuration = Of(("Kestrel:Endpoints:Http:Url", address));
        Assert.That(
            () => BindingPolicy.RequireKeysOrLoopback(configuration, ServerOptions.Read(configuration)),
            Throws.TypeOf<ConfigurationException>().With.Message.Contains("Kestrel:Endpoints:Http:Url").And.Message.Contains(
                "Server:ApiKeys"));
        IConfiguration keyed = Of(("Kestrel:Endpoints:Http:Url", address), ("Server:ApiKeys:0", "a-key-of-some-length"));
        Assert.That(() => BindingPolicy.RequireKeysOrLoopback(keyed, ServerOptions.Read(keyed)), Throws.Nothing);
    }

    [TestCase("http://127.0.0.1:8080")]
    [TestCase("http://127.0.0.2:8080")]
    [TestCase("http://localhost:8080")]
    [TestCase("http://[::1]:8080")]
    [TestCase("http://unix:/run/ffn.sock")]
    public void A_loopback_address_needs_none(string address)
    {
        IConfiguration configuration = Of(("Kestrel:Endpoints:Http:Url", address));
        Assert.That(() => BindingPolicy.RequireKeysOrLoopback(configuration, ServerOptions.Read(configuration)), Throws.Nothing);
    }

    [TestCase("urls", "http://127.0.0.1:1;http://*:2")]
    [TestCase("http_ports", "8080")]
    [TestCase("https_ports", "8443")]
    public void Older_keys_of_addresses_count_too(string key, string value)
    {
        IConfiguration configuration = Of((key, value));
        Assert.That(
            () => BindingPolicy.RequireKeysOrLoopback(configuration, ServerOptions.Read(configuration)),
            Throws.TypeOf<ConfigurationException>().With.Message.StartsWith(key));
    }

    [TestCase("Server:MaxRequestBytes", "0", "Server:MaxRequestBytes")]
    [TestCase("Server:MaxRequestBytes", "many", "Server:MaxRequestBytes")]
    [TestCase("Server:MaxBufferedBytes", "1", "Server:MaxBufferedBytes")]
    [TestCase("Server:MaxConnections", "-1", "Server:MaxConnections")]
    [TestCase("Server:Explorer:MaxTokens", "0", "Server:Explorer:MaxTokens")]
    [TestCase("Server:ApiKeys:0", "short", "Server:ApiKeys:0")]
    [TestCase("Server:ApiKeys:0", "sixteen characters", "Server:ApiKeys:0")]
    public void A_value_that_cannot_be_is_refused_by_its_key(string key, string value, string named) =>
        Assert.That(() => ServerOptions.Read(Of((key, value))), Throws.TypeOf<ConfigurationException>().With.Message.Contains(named));

    [Test]
    public void A_refused_key_is_not_repeated() => Assert.That(
        () => ServerOptions.Read(Of(("Server:ApiKeys:0", "secret"))),
        Throws.TypeOf<ConfigurationException>().With.Message.Not.Contain("secret"));

    [TestCase("--modle=x")]
    [TestCase("--modle", "x")]
    [TestCase("model")]
    [TestCase("--model")]
    [TestCase("--Server:MaxRequestBytes")]
    public void An_argument_that_says_nothing_is_refused(params string[] arguments) => Assert.That(
        () => ServerApp.Create(arguments), Throws.TypeOf<ConfigurationException>().With.Message.Contains(arguments[0]));

    // The web SDK's own default is a heap for each processor, which keeps far more memory.
    [Test]
    public void The_program_has_one_heap()
    {
        string file = Path.Combine(AppContext.BaseDirectory, "NativeFfn.Server.runtimeconfig.json");
        IConfiguration runtime = new ConfigurationBuilder().AddJsonFile(file).Build();
        Assert.That(runtime["runtimeOptions:configProperties:System.GC.Server"], Is.EqualTo("False"));
    }

    [Test]
    public void The_file_beside_the_program_has_every_option_with_its_default()
    {
        IConfiguration file = new ConfigurationBuilder().AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json")).Build();
        Assert.Multiple(() =>
        {
            foreach ((string key, object value) in Defaults(new ServerOptions(), ServerOptions.Section))
            {
                Assert.That(file[key], Is.EqualTo($"{value}").IgnoreCase, key);
            }

            Assert.That(file.GetSection("Server:ApiKeys").Value, Is.EqualTo(string.Empty), "no keys");
        });
    }

    [Test]
    public void The_file_beside_the_program_has_every_option_of_hosting()
    {
        string text = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "appsettings.json"));
        IConfiguration file = new ConfigurationBuilder().AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json")).Build();
        string[] keys = [.. file.GetSection("NativeFfn").AsEnumerable(makePathsRelative: true).Select(static pair => pair.Key)];
        Assert.Multiple(() =>
        {
            foreach (string key in OptionTable.All.Select(static option => option.Key))
            {
                // Models have no default; what they take is shown by example.
                if (key.StartsWith("Models:", StringComparison.Ordinal))
                {
                    Assert.That(text, Does.Contain($"\"{key.Split(':')[^1]}\":"));
                }
                else
                {
                    Assert.That(keys, Does.Contain(key));
                }
            }

            var defaults = new NativeFfnOptions();
            Assert.That(file["NativeFfn:Batching:MaxBatchTokens"], Is.EqualTo($"{defaults.Batching.MaxBatchTokens}"));
            Assert.That(file["NativeFfn:Batching:QueueCapacityTokens"], Is.EqualTo($"{defaults.Batching.QueueCapacityTokens}"));
            Assert.That(file["NativeFfn:DrainTimeout"], Is.EqualTo($"{defaults.DrainTimeout}"));
        });
    }

    private static IEnumerable<(string Key, object Value)> Defaults(object options, string path)
    {
        foreach (System.Reflection.PropertyInfo property in options.GetType().GetProperties())
        {
            object value = property.GetValue(options)!;
            string key = $"{path}:{property.Name}";
            if (value is ExplorerOptions)
            {
                foreach ((string, object) inner in Defaults(value, key))
                {
                    yield return inner;
                }
            }
            else if (value is not string[])
            {
                yield return (key, value);
            }
        }
    }

    private static IConfiguration Of(params (string Key, string Value)[] values) =>
        new ConfigurationBuilder().AddInMemoryCollection(values.ToDictionary(static pair => pair.Key, static pair => (string?)pair.Value))
            .Build();
}
