using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using NativeFfn.Checkpoints;
using NativeFfn.Hosting;
using NativeFfn.Tests.Cli;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Readme;

/// <summary>The documents' samples, tables and names, held against the code.</summary>
public sealed class ReadmeTests
{
    [TestCase("checkpoint", "README.md")]
    [TestCase("spans", "README.md")]
    [TestCase("stack", "docs/checkpoints.md")]
    [TestCase("device", "docs/gpu.md")]
    [TestCase("server", "README.md")]
    [TestCase("server", "docs/server.md")]
    [TestCase("client", "docs/server.md")]
    [TestCase("leader", "docs/parallel.md")]
    [TestCase("together", "docs/parallel.md")]
    [TestCase("endpoints", "docs/server.md")]
    [TestCase("routes", "docs/server.md")]
    [TestCase("conventions", "AspNetCore/README.md")]
    [TestCase("tensors", "docs/interop.md")]
    public void A_code_sample_is_code_that_is_compiled_here(string name, string document) =>
        Assert.That(Documents.Read(document), Does.Contain("```csharp\n" + string.Join('\n', Sample(name)) + "\n```"));

    [TestCase("spans", "Layers/FfnEngine.cs")]
    [TestCase("spans", "Layers/FfnLayer.cs")]
    [TestCase("spans", "Layers/FfnWeights.cs")]
    [TestCase("checkpoint", "Layers/Checkpoints/FfnCheckpoint.cs")]
    [TestCase("chain", "Layers/FfnChain.cs")]
    [TestCase("tensors", "Layers/FfnTensorExtensions.cs")]
    [TestCase("device", "Layers/FfnDeviceStream.cs")]
    [TestCase("stack", "Backends/Contracts/FfnSpec.cs")]
    [TestCase("server", "Hosting/NativeFfnServiceCollectionExtensions.cs")]
    [TestCase("client", "Hosting/IFfnClient.cs")]
    [TestCase("endpoints", "AspNetCore/NativeFfnEndpointServiceCollectionExtensions.cs")]
    [TestCase("routes", "AspNetCore/NativeFfnEndpointRouteBuilderExtensions.cs")]
    public void An_example_of_a_type_is_code_that_is_compiled_here(string name, string source)
    {
        IEnumerable<string> lines = Sample(name).Select(
            static line => $"/// {line.Replace("<", "&lt;", StringComparison.Ordinal)}".TrimEnd() + "\n");
        Assert.That(Documents.Read(source), Does.Contain("/// <code>\n" + string.Concat(lines) + "/// </code>"));
    }

    [Test]
    public void The_checkpoint_sample_gives_the_golden_answers()
    {
        GoldenCase golden = GoldenCases.Find("llama");
        (float[] ffn, float[] residual, float[] block) =
            ReadmeSamples.RunCheckpointLayer(golden.Directory, golden.Layer, golden.ReadInput());
        Assert.Multiple(() =>
        {
            Assert.That(ffn, Is.EqualTo(golden.ReadExpected(FfnMode.Ffn)).Within(1e-5));
            Assert.That(residual, Is.EqualTo(golden.ReadExpected(FfnMode.Residual)).Within(1e-5));
            Assert.That(block, Is.EqualTo(golden.ReadExpected(FfnMode.Block)).Within(1e-5));
        });
    }

    [Test]
    public void The_span_sample_adds_the_network_in_place()
    {
        // gate = up = down = 1: x + silu(x) · x for one element.
        float[] x = ReadmeSamples.RunOwnWeights([1f], [1f], [1f], 1, 1, [2f]);
        Assert.That(x[0], Is.EqualTo(2 + (4 / (1 + Math.Exp(-2)))).Within(1e-5));
    }

    [Test]
    public void The_stack_sample_gives_ten_numbers_a_row() =>
        Assert.That(ReadmeSamples.RunStack(new float[3 * 784]), Has.Length.EqualTo(30).And.All.Zero);

    [Test]
    public void The_tensor_sample_gives_a_row_for_each_token()
    {
        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Reference });
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 8, 16);
        using FfnLayer layer = engine.CreateLayer(spec, new XavierWeights(spec, seed: 1));
        Assert.That(ReadmeSamples.RunTensors(layer).Lengths.ToArray(), Is.EqualTo(new nint[] { 3, 8 }));
    }

    [Test]
    public void The_chain_sample_runs_one_layer_behind_the_other()
    {
        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Reference });
        using var folder = new CommandFolder();
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder.Checkpoint());
        using FfnLayer first = engine.LoadLayer(checkpoint, 0);
        using FfnLayer second = engine.LoadLayer(checkpoint, 1);
        float[] x = RandomLayers.Rows(2, first.Spec.DModel, 1);
        float[] expected = [.. x];
        first.ForwardBlock(expected, expected);
        second.ForwardBlock(expected, expected);
        Assert.That(ReadmeSamples.RunChain(engine, checkpoint, x), Is.EqualTo(expected));
    }

    [Test]
    public void The_device_sample_gives_what_the_host_gives()
    {
        using SoftwareDevice device = SoftwareDevice.Start();
        using FfnEngine engine = TestBackends.Open(TestBackends.OptionsOf(BackendKind.CuBlas, 1));
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 32, 48);
        using FfnLayer layer = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 1));
        float[] x = RandomLayers.Rows(5, spec.DModel, 2);
        float[] expected = new float[x.Length];
        layer.ForwardBlock(x, expected);
        var application = new ForeignCuda(device) { InPrimaryContext = true };
        nint rows = application.Allocate<float>(x);
        ReadmeSamples.RunOnDevice(layer, application.CreateStream(), rows, 5);
        Assert.That(application.Read<float>(rows, x.Length), Is.EqualTo(expected));
        device.AssertNoViolations();
    }

    [Test]
    public void The_endpoints_samples_map_every_address()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        ReadmeSamples.AddEndpoints(builder);
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 8, 16);
        builder.Services.Configure<NativeFfnOptions>(options => options.AddLayer("made", spec, new XavierWeights(spec, seed: 1)));
        WebApplication app = builder.Build();
        ReadmeSamples.MapEndpoints(app);
        string[] patterns = [.. ((IEndpointRouteBuilder)app).DataSources.SelectMany(static source => source.Endpoints)
            .OfType<RouteEndpoint>().Select(static endpoint => endpoint.RoutePattern.RawText!)];
        Assert.That(patterns, Is.SupersetOf(new[]
        {
            "/v1/layers", "/v1/layers/{model}/{index}/forward", "/v1/models/{model}/reload", "/healthz/live", "/healthz/ready",
            "/nativeffn.v1.FeedForward/Forward", "/grpc.health.v1.Health/Check", "/openapi/{documentName}.json",
        }));
    }

    [Test]
    public async Task The_server_samples_add_a_layer_and_run_it()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 8, 16);
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        ReadmeSamples.AddToServer(builder, spec);
        using IHost host = builder.Build();
        await host.StartAsync();
        float[] input = [1, 2, 3, 4, 5, 6, 7, 8];
        float[] output = new float[8];
        await ReadmeSamples.RunInServer(host.Services, input, output, CancellationToken.None);
        float[] expected = new float[8];
        host.Services.GetRequiredService<IFfnClient>().GetLayer("made/0").ForwardResidual(input, input, expected);
        Assert.That(output, Is.EqualTo(expected));
    }

    [Test]
    public void Every_property_of_the_options_is_described() => Assert.Multiple(() =>
    {
        Assert.That(
            FfnEngineOption.All.Select(static option => option.Name),
            Is.EquivalentTo(Properties(typeof(FfnEngineOptions), string.Empty)));
        Assert.That(
            OptionTable.All.Select(static option => option.Key),
            Is.EquivalentTo(
            [
                .. OptionTable.OfEngine.Select(static option => option.Name), .. Properties(typeof(NativeFfnOptions), string.Empty),
                .. Properties(typeof(FfnModelOptions), "Models:NAME:"), .. Properties(typeof(FfnBatchingOptions), "Batching:"),
                .. Properties(typeof(FfnWarmupOptions), "Warmup:"),
            ]));
    });

    [Test]
    public void The_tables_of_options_say_what_the_code_says() => Assert.Multiple(() =>
    {
        string text = Documents.Read("docs/configuration.md");
        string help = CommandRun.Done("forward", "--help").Out;
        foreach (FfnEngineOption option in FfnEngineOption.All)
        {
            Match row = Regex.Match(text, $@"^\| `{option.Name}` \|( `(?<switch>--[\w-]+)`)? \| (?<rest>.*) \|$", RegexOptions.Multiline);
            Assert.That(row.Groups["rest"].Value, Is.EqualTo($"{option.Allowed} | {option.Default} | {option.Description}"), option.Name);
            Assert.That(help, Does.Contain(row.Groups["switch"].Value));
        }

        foreach (HostOption option in OptionTable.All.Where(static option => OptionTable.OfEngine.All(engine => engine.Name != option.Key)))
        {
            Assert.That(text, Does.Contain($"| `{option.Key}` | {option.Allowed} | {option.Default} | {option.Description} |"));
        }
    });

    [Test]
    public void Every_kind_and_family_and_backend_is_named() => Assert.Multiple(() =>
    {
        string text = Documents.Read("docs/checkpoints.md");
        foreach (string name in FfnKind.Named.Select(static kind => kind.Name)
            .Concat(global::NativeFfn.Checkpoints.Families.FamilyCatalog.ModelTypes))
        {
            Assert.That(text, Does.Contain($"`{name}`"));
        }

        foreach (string name in Names<BackendKind>.All.Concat(Names<FfnPrecision>.All))
        {
            Assert.That(Documents.Read("README.md"), Does.Contain($"`{name}`"));
            Assert.That(Documents.Read("docs/numerics.md"), Does.Contain($"`{name}`"));
        }
    });

    private static IEnumerable<string> Sample(string name)
    {
        string source = Documents.Read("Tests/Readme/ReadmeSamples.cs");
        Match sample = Regex.Match(source, $@"// sample: {name}\n(.*?)\n\s*// end", RegexOptions.Singleline);
        Assert.That(sample.Success, Is.True, name);
        return sample.Groups[1].Value.TrimEnd().Split('\n').Select(static line => line.Length > 8 ? line[8..] : line);
    }

    // Sections of their own, and what only code can set, are no options.
    private static IEnumerable<string> Properties(Type options, string prefix) => options
        .GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(static option => option.CanWrite)
        .Select(option => prefix + option.Name);
}
