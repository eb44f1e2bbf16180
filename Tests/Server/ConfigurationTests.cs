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

    [TestCase("http://127.0.0.1:8080/base", "has a path, '/base'")]
    [TestCase("http://localhost:0", "free port")]
    [TestCase("http://127.0.0.1:99999", "port 99999")]
    [TestCase("http://127.0.0.1:-1", "port")]
    [TestCase("http://127.0.0.1:x", "port is no number")]
    [TestCase("ftp://127.0.0.1", "scheme 'ftp'")]
    [TestCase("nonsense", "no address")]
    [TestCase("", "no address")]
    public void An_address_that_cannot_be_is_refused_by_its_key(string address, string why)
    {
        ConfigurationException thrown = Assert.Throws<ConfigurationException>(
            () => ServerApp.Create(["--grpc-urls", address, "--Server:ApiKeys:0", "0123456789abcdef0123"]))!;
        Assert.That(thrown.Message, Does.StartWith($"Kestrel:Endpoints:Grpc:Url is '{address}'").And.Contain(why));
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

    [TestCase("Server:ApiKeys:0")]
    [TestCase("Server:ApiKeys")]
    [TestCase("Server:ApiKeys:first")]
    [TestCase("Server:ApiKey")]
    [TestCase("Server")]
    public void A_refused_key_is_not_repeated(string key) => Assert.That(
        () => ServerOptions.Read(Of((key, "secret"))),
        Throws.TypeOf<ConfigurationException>().With.Message.Not.Contain("secret").And.Message.StartsWith(key));

    [TestCase("Server:ApiKeys", "0123456789abcdef0123", "is a list; set its places, the first as Server:ApiKeys:0")]
    [TestCase("Server:ApiKey", "0123456789abcdef0123", "is no option. There are Server:ApiKeys:0, Server:MaxRequestBytes,")]
    [TestCase("Server:ApiKeys:first", "0123456789abcdef0123", "places of the list are numbers")]
    [TestCase("Server:ApiKeys:0", "", "places of the list are numbers")]
    [TestCase("Server:Explorer", "false", "is no option. There are")]
    [TestCase("Server:Explorer:Enable", "false", "is no option. There are")]
    [TestCase("Server:Explorer:Enabled:x", "false", "is no option. There are")]
    [TestCase("Server:Explorer:Enabled", "no", "")]
    [TestCase("Server:MaxRequestByte", "5", "is no option. There are")]
    [TestCase("Server", "on", "has a value itself, but is a section")]
    public void A_key_that_would_be_ignored_is_refused(string key, string value, string why) => Assert.That(
        () => ServerOptions.Read(Of((key, value))),
        Throws.TypeOf<ConfigurationException>().With.Message.Contains(key).And.Message.Contains(why));

    [Test]
    public void Keys_are_known_in_any_case_and_empty_sections_say_nothing()
    {
        ServerOptions options = ServerOptions.Read(Of(
            ("SERVER:APIKEYS", ""), ("SERVER:APIKEYS:0", "0123456789abcdef0123"), ("server:explorer", ""),
            ("server:explorer:enabled", "false")));
        Assert.That((options.ApiKeys.Length, options.Explorer.Enabled), Is.EqualTo((1, false)));
    }

    [Test]
    public void Two_models_that_differ_in_case_are_refused_wherever_they_are_named()
    {
        const string Upper = "NativeFfn:Models:Llama:Path";
        const string Lower = "NativeFfn:Models:llama:Path";
        var none = new Dictionary<string, string>();
        var variable =
            new Dictionary<string, string> { ["NATIVEFFN__MODELS__LLAMA__PATH"] = "x", ["NativeFfn__Models__llama__Path"] = "x" };
        Assert.Multiple(() =>
        {
            Assert.That(() => ModelNames.RequireDistinct(Two(Upper, Lower), [], none), Refused("'Llama' and of 'llama'"));
            Assert.That(
                () => ModelNames.RequireDistinct(Two(), [$"--{Upper}=x", $"--{Lower}", "y"], none), Refused("'Llama' and of 'llama'"));
            Assert.That(() => ModelNames.RequireDistinct(Two(), [], variable), Refused("'llama'"));
            Assert.That(() => ModelNames.RequireDistinct(Two(Lower, Lower), [$"--{Lower}=x"], none), Throws.Nothing);
            Assert.That(() => ModelNames.RequireDistinct(Two(Upper, "NativeFfn:Models:llama:Layers"), [], none), Throws.Nothing);
        });

        static NUnit.Framework.Constraints.IResolveConstraint Refused(string names) =>
            Throws.TypeOf<ConfigurationException>().With.Message.Contains(names);

        static IConfigurationRoot Two(params string[] keys)
        {
            var builder = new ConfigurationBuilder();
            foreach (string key in keys)
            {
                builder.AddInMemoryCollection([KeyValuePair.Create(key, (string?)"x")]);
            }

            return builder.Build();
        }
    }

    [TestCase("--modle=x")]
    [TestCase("--modle", "x")]
    [TestCase("--Sever:ApiKeys:0=0123456789abcdef0123")]
    [TestCase("model")]
    [TestCase("--model")]
    [TestCase("--Server:MaxRequestBytes")]
    public void An_argument_that_says_nothing_is_refused(params string[] arguments) => Assert.That(
        () => ServerApp.Create(arguments), Throws.TypeOf<ConfigurationException>().With.Message.Contains(arguments[0].Split('=')[0]));

    [Test]
    public async Task No_file_of_the_configuration_is_watched()
    {
        await using ServerUnderTest server = await ServerUnderTest.StartAsync();
        Assert.That(
            ((IConfigurationRoot)server.App.Configuration).Providers.OfType<FileConfigurationProvider>().Select(
                static provider => provider.Source.ReloadOnChange),
            Is.Not.Empty.And.All.False);
    }

    // A heap for each processor keeps far more memory.
    [Test]
    public void The_program_has_one_heap()
    {
        string file = Path.Combine(AppContext.BaseDirectory, "NativeFfn.Cli.runtimeconfig.json");
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
