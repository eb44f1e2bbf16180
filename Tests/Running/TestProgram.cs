extern alias gpu;

using Microsoft.Testing.Platform.Builder;
using Microsoft.Testing.Platform.Extensions;

namespace NativeFfn.Tests.Running;

/// <summary>
/// The tests as a program of NUnit's own runner. It has the command and the GPU's comparison in it as well, so that a machine without an
/// SDK needs one program and one runtime: build/gpu-bundle.sh packs it.
/// </summary>
internal static class TestProgram
{
    private static async Task<int> Main(string[] args)
    {
        switch (args)
        {
            case ["nativeffn", .. var rest]:
                return NativeFfn.Cli.Program.Run(rest, Console.Out, Console.Error);
            case ["gpu", .. var rest]:
                return gpu::NativeFfn.GpuComparison.Program.Run(rest, Console.Out, Console.Error);
        }

        ITestApplicationBuilder builder = await TestApplication.CreateBuilderAsync(args);
        SelfRegisteredExtensions.AddSelfRegisteredExtensions(builder, args);
        if (TestSummary.Folder is { } folder)
        {
            var summary = new CompositeExtensionFactory<TestSummary>(_ => new TestSummary(folder));
            builder.TestHost.AddDataConsumer(summary);
            builder.TestHost.AddTestSessionLifetimeHandler(summary);
        }

        using ITestApplication application = await builder.BuildAsync();
        int code = await application.RunAsync();
        bool isClean = DeviceMemoryWatch.NothingIsHeld();
        return code == 0 && !isClean ? 1 : code;
    }
}
