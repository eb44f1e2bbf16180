using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using NativeFfn.Hosting;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Readme;

/// <summary>What the README says of the code, held against the code.</summary>
public sealed class ReadmeTests
{
    private static readonly string Folder = Path.GetDirectoryName(SourceFile())!;

    private static string ReadmeText => File.ReadAllText(Path.Combine(Folder, "..", "..", "README.md"));

    [TestCase("checkpoint")]
    [TestCase("spans")]
    [TestCase("stack")]
    [TestCase("device")]
    [TestCase("server")]
    [TestCase("client")]
    public void A_code_sample_is_code_that_is_compiled_here(string name)
    {
        string source = File.ReadAllText(Path.Combine(Folder, "ReadmeSamples.cs"));
        Match sample = Regex.Match(source, $@"// sample: {name}\n(.*?)\n\s*// end", RegexOptions.Singleline);
        string code = string.Join('\n', sample.Groups[1].Value.TrimEnd().Split('\n').Select(static line => line.Length > 8 ? line[8..] : line));
        Assert.That(ReadmeText, Does.Contain("```csharp\n" + code + "\n```"));
    }

    [Test]
    public void The_checkpoint_sample_gives_the_golden_answers()
    {
        GoldenCase golden = GoldenCases.Find("llama");
        (float[] ffn, float[] residual, float[] block) = ReadmeSamples.RunCheckpointLayer(golden.Directory, golden.Layer, golden.ReadInput());
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
    public void The_table_of_a_servers_options_has_each_with_what_is_allowed_and_its_default()
    {
        (string Key, object? Default)[] options =
        [
            .. Defaults(new NativeFfnOptions(), string.Empty), .. Defaults(new FfnModelOptions(), "Models:NAME:"),
            .. Defaults(new FfnBatchingOptions(), "Batching:"), .. Defaults(new FfnWarmupOptions(), "Warmup:"),
        ];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(OptionTable.All.Select(static option => option.Key), Is.EquivalentTo(options.Select(static option => option.Key)));
            foreach ((string key, object? value) in options)
            {
                string text = value switch
                {
                    null => "none",
                    bool flag => flag ? "true" : "false",
                    _ => value.ToString()!,
                };
                Assert.That(ReadmeText, Does.Match($@"\| `{Regex.Escape(key)}` \| {Regex.Escape(OptionTable.AllowedOf(key))} \| {Regex.Escape(text)}\b"));
            }
        }
    }

    [Test]
    public void The_configuration_table_has_every_option() => Assert.Multiple(() =>
    {
        foreach (PropertyInfo option in typeof(FfnEngineOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly))
        {
            Assert.That(ReadmeText, Does.Contain($"| `{option.Name}` |"));
        }
    });

    [Test]
    public void Every_kind_and_family_and_backend_is_named() => Assert.Multiple(() =>
    {
        string text = ReadmeText;
        foreach (string name in FfnKind.Named.Select(static kind => kind.Name)
            .Concat(global::NativeFfn.Checkpoints.Families.FamilyCatalog.ModelTypes).Concat(Names<BackendKind>.All))
        {
            Assert.That(text, Does.Contain($"`{name}`"));
        }
    });

    // Sections of their own, and what only code can set, are no options.
    private static IEnumerable<(string Key, object? Default)> Defaults(object options, string prefix) => options.GetType()
        .GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(static option => option.CanWrite)
        .Select(option => (prefix + option.Name, option.GetValue(options)));

    private static string SourceFile([CallerFilePath] string path = "") => path;
}
