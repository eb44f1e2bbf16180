using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using NativeFfn.Hosting;
using NativeFfn.Tests.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>What configuration says, and what it may not say.</summary>
public sealed class OptionsTests
{
    private static string Llama => GoldenCases.Find("llama").Directory;

    [Test]
    public void Every_option_is_bound()
    {
        NativeFfnOptions options = Read(
            ("Backend", "managed"), ("Threads", "3"), ("Kernel", "panels"), ("Precision", "bf16"), ("MklPath", "/mkl"), ("Device", "2"), ("CudaPath", "/cuda"), ("Autotune", "true"), ("DrainTimeout", "00:00:07"),
            ("Models:a:Path", Llama), ("Models:a:Layers", "0"), ("Models:b.c-d_e:Path", Llama),
            ("Batching:Enabled", "false"), ("Batching:MaxBatchTokens", "32"), ("Batching:MaxQueueDelay", "00:00:00.002"),
            ("Batching:QueueCapacityTokens", "320"), ("Batching:QueueCapacityTime", "00:00:00.5"), ("Batching:DefaultDeadline", "00:00:01"), ("Batching:BatchInvariant", "true"),
            ("Warmup:Enabled", "false"), ("Warmup:Tokens:0", "4"), ("Warmup:Tokens:1", "5"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(options.Engine, Is.EqualTo(new FfnEngineOptions
            {
                Backend = BackendKind.Managed, Threads = 3, Kernel = CpuKernel.Panels, Precision = FfnPrecision.BFloat16, MklPath = "/mkl",
                Device = 2, CudaPath = "/cuda", Autotune = true,
            }));
            Assert.That(options.DrainTimeout, Is.EqualTo(TimeSpan.FromSeconds(7)));
            Assert.That((options.Models["a"].Path, options.Models["a"].Layers), Is.EqualTo((Llama, "0")));
            Assert.That(options.Models["b.c-d_e"].Layers, Is.Null);
            Assert.That((options.Batching.Enabled, options.Batching.MaxBatchTokens, options.Batching.QueueCapacityTokens), Is.EqualTo((false, 32, 320)));
            Assert.That(options.Batching.QueueCapacityTime, Is.EqualTo(TimeSpan.FromSeconds(0.5)));
            Assert.That(options.Batching.MaxQueueDelay, Is.EqualTo(TimeSpan.FromMilliseconds(2)));
            Assert.That((options.Batching.DefaultDeadline, options.Batching.BatchInvariant), Is.EqualTo((TimeSpan.FromSeconds(1), true)));
            Assert.That((options.Warmup.Enabled, string.Join(',', options.Warmup.Tokens!)), Is.EqualTo((false, "4,5")));
        }
    }

    [TestCase("Backend", "cuda", "NativeFfn:Backend is 'cuda'. Allowed: auto, mkl, managed, cublas, reference, cblas.")]
    [TestCase("Threads", "-1", "NativeFfn:Threads is '-1'. Allowed: 1 to 1024, or 0 for the processors this process may use.")]
    [TestCase("Threads", "many", "NativeFfn:Threads is 'many'. Allowed: 1 to 1024, or 0")]
    [TestCase("Precision", "f8", "NativeFfn:Precision is 'f8'. Allowed: auto, stored, f32, bf16, f16, int8, int4, w8a8, w4a8, tf32, fp8.")]
    [TestCase("Kernel", "fast", "NativeFfn:Kernel is 'fast'. Allowed: auto, sgemm, panels.")]
    [TestCase("DrainTimeout", "5", "NativeFfn:DrainTimeout is '5.00:00:00'. Allowed: 00:00:00 to 01:00:00.")]
    [TestCase("Models:m:Path", "/no/such/folder", "NativeFfn:Models:m:Path is '/no/such/folder', which does not exist.")]
    [TestCase("Models:m:Path", "", "NativeFfn:Models:m:Path is ''. Allowed: a checkpoint's folder")]
    [TestCase("Models:n:Layers", "0", "NativeFfn:Models:n:Path is missing. Allowed: a checkpoint's folder")]
    [TestCase("Models:m:Layers", "3-1", "NativeFfn:Models:m:Layers is '3-1'. Allowed: all, or indices and ranges such as 0-3,7.")]
    [TestCase("Models:m:Layers", "1,", "NativeFfn:Models:m:Layers is '1,'.")]
    [TestCase("Models:m:Layers", "-1", "NativeFfn:Models:m:Layers is '-1'.")]
    [TestCase("Models:m:Layers", "0-2000000000", "NativeFfn:Models:m:Layers is '0-2000000000'.")]
    [TestCase("Models:a b:Path", "x", "NativeFfn:Models:a b is no name for a model.")]
    [TestCase("Batching:MaxBatchTokens", "0", "NativeFfn:Batching:MaxBatchTokens is '0'. Allowed: 1 to 65536.")]
    [TestCase("Batching:MaxQueueDelay", "5", "NativeFfn:Batching:MaxQueueDelay is '5.00:00:00'. Allowed: 00:00:00 to 00:00:10.")]
    [TestCase("Batching:QueueCapacityTokens", "63", "NativeFfn:Batching:QueueCapacityTokens is '63'. Allowed: MaxBatchTokens to 16777216.")]
    [TestCase("Batching:QueueCapacityTime", "1", "NativeFfn:Batching:QueueCapacityTime is '1.00:00:00'. Allowed: longer than MaxQueueDelay, to 01:00:00.")]
    [TestCase("Batching:DefaultDeadline", "00:00:00", "NativeFfn:Batching:DefaultDeadline is '00:00:00'. Allowed: longer than MaxQueueDelay, to 01:00:00.")]
    [TestCase("Batching:Enabled", "yes", "'NativeFfn:Batching:Enabled' to type 'System.Boolean'. Allowed: true, false.")]
    [TestCase("Warmup:Tokens:0", "1025", "NativeFfn:Warmup:Tokens is '1025'. Allowed: a list of 1 to QueueCapacityTokens.")]
    [TestCase("Bakend", "mkl", "NativeFfn:Bakend is no option. There are Backend, Threads,")]
    [TestCase("Batching", "true", "NativeFfn:Batching is no option.")]
    [TestCase("Models:m:Layer", "1", "NativeFfn:Models:m:Layer is no option.")]
    [TestCase("Warmup:Tokens", "1,64", "NativeFfn:Warmup:Tokens is '1,64'. Allowed: a list of 1 to QueueCapacityTokens, whose places are keys")]
    [TestCase("warmup:tokens:first", "1", "NativeFfn:warmup:tokens:first is no option.")]
    [TestCase("Models", "/a/path", "NativeFfn:Models is no option.")]
    [TestCase("Models:m", "/a/path", "NativeFfn:Models:m is no option.")]
    [TestCase("Warmup:Tokens:0:x", "1", "NativeFfn:Warmup:Tokens:0:x is no option.")]
    public void What_is_wrong_is_named_with_what_is_allowed(string key, string value, string message)
    {
        Dictionary<string, string?> values = new() { ["Models:m:Path"] = Llama, [key] = value };
        OptionsValidationException thrown = Assert.Throws<OptionsValidationException>(() => Read([.. values.Select(static pair => (pair.Key, pair.Value))]))!;
        Assert.That(thrown.Message, Does.Contain(message));
    }

    [Test]
    public void A_value_in_place_of_the_section_is_refused()
    {
        IConfigurationSection section = new ConfigurationBuilder()
            .AddInMemoryCollection(new Dictionary<string, string?> { ["NativeFfn"] = "managed" }).Build().GetSection("NativeFfn");
        Assert.That(
            () => new ServiceCollection().AddNativeFfn(section).BuildServiceProvider().GetRequiredService<IOptions<NativeFfnOptions>>().Value,
            Throws.TypeOf<OptionsValidationException>().With.Message.Contains("NativeFfn is 'managed', but is a section."));
    }

    [Test]
    public void What_code_sets_is_checked_as_what_configuration_says()
    {
        OptionsValidationException thrown = Assert.Throws<OptionsValidationException>(
            () => Read(static options => options.ConfigureEngine(static engine => engine with { Device = -1 }), ("Models:m:Path", Llama)))!;
        Assert.That(thrown.Message, Is.EqualTo("NativeFfn:Device is '-1'. Allowed: 0 to 1023."));
    }

    [Test]
    public async Task A_server_without_models_does_not_start()
    {
        OptionsValidationException thrown = (await Assert.ThrowsAsync<OptionsValidationException>(
            static () => FfnServer.StartAsync(static services => services.AddNativeFfn(FfnServer.Section()))))!;
        Assert.That(thrown.Message, Does.Contain("NativeFfn:Models is empty."));
    }

    [Test]
    public void Empty_objects_and_lists_say_nothing() =>
        Assert.DoesNotThrow(() => Read(("Models:m:Path", Llama), ("Batching", null), ("Warmup:Tokens", ""), ("Warmup", "")));

    [Test]
    public async Task A_layer_that_the_checkpoint_has_not_is_named_by_its_key()
    {
        FfnHostingException thrown = (await Assert.ThrowsAsync<FfnHostingException>(() => FfnServer.StartAsync(
            services => services.AddNativeFfn(FfnServer.Section(("Models:m:Path", Llama), ("Models:m:Layers", "0,9"))))))!;
        Assert.That(thrown.Message, Does.StartWith("NativeFfn:Models:m:Layers is '0,9', but ").And.Contain("counted from 0 to"));
    }

    [Test]
    public async Task A_damaged_checkpoint_is_named_by_its_key()
    {
        using var folder = new TempFolder();
        folder.Write("config.json", "{");
        folder.Write("model.safetensors", []);
        FfnHostingException thrown = (await Assert.ThrowsAsync<FfnHostingException>(() => FfnServer.StartAsync(
            services => services.AddNativeFfn(FfnServer.Section(("Models:m:Path", folder.Path))))))!;
        Assert.That(thrown.Message, Does.StartWith("NativeFfn:Models:m cannot be loaded: "));
    }

    [Test]
    public async Task A_backend_that_is_absent_is_named_by_its_key()
    {
        FfnHostingException thrown = (await Assert.ThrowsAsync<FfnHostingException>(() => FfnServer.StartAsync(
            services => services.AddNativeFfn(FfnServer.Section(("Models:m:Path", Llama), ("Backend", "cublas"))))))!;
        Assert.That(thrown.Message, Does.StartWith("NativeFfn:Backend is 'cublas'. Backend 'cublas' is not available:"));
    }

    [Test]
    public async Task Without_a_section_the_servers_own_configuration_is_read_and_code_may_add_layers()
    {
        (FfnSpec spec, FfnMemoryWeights weights) = FfnServer.ExactLayer(80);
        IConfigurationRoot configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(new Dictionary<string, string?> { ["NativeFfn:Models:llama:Path"] = Llama, ["NativeFfn:Threads"] = "1" }).Build();
        await using FfnServer server = await FfnServer.StartAsync(services => services
            .AddSingleton<IConfiguration>(configuration)
            .AddNativeFfn()
            .Configure<NativeFfnOptions>(options => options.AddLayer("made", spec, weights).AddLayer("made", spec, weights)));
        Assert.That(server.Client.Layers.Select(static layer => layer.Name), Is.EqualTo(new[] { "llama/0", "llama/1", "made/0", "made/1" }));
        await server.Call("made/1", 2).AssertAnsweredAsync();
    }

    [Test]
    public void Layers_made_by_code_and_a_path_do_not_mix()
    {
        (FfnSpec spec, FfnMemoryWeights weights) = FfnServer.ExactLayer(81);
        OptionsValidationException thrown = Assert.Throws<OptionsValidationException>(
            () => Read(options => options.AddLayer("m", spec, weights), ("Models:m:Path", Llama)))!;
        Assert.That(thrown.Message, Does.Contain("NativeFfn:Models:m has layers made by code."));
    }

    private static NativeFfnOptions Read(params (string Key, string? Value)[] values) => Read(static _ => { }, values);

    private static NativeFfnOptions Read(Action<NativeFfnOptions> configure, params (string Key, string? Value)[] values) => new ServiceCollection()
        .AddNativeFfn(FfnServer.Section(values))
        .Configure(configure)
        .BuildServiceProvider().GetRequiredService<IOptions<NativeFfnOptions>>().Value;
}
