using System.Collections.Immutable;
using System.CommandLine;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Cli;
using NativeFfn.Cli.Files;

namespace NativeFfn.Bench.Gpu;

/// <summary>The subcommand <c>gpu</c>: measures the layer on a GPU, and shows results of several programs beside each other.</summary>
internal static class GpuTool
{
    /// <summary>The subcommand on any writers.</summary>
    public static Command Create(TextWriter stdout, TextWriter stderr) =>
        GpuCommand.Create(plan => Measure(plan, stdout, stderr), files => Show(files, stdout, stderr));

    private static void Measure(GpuPlan plan, TextWriter stdout, TextWriter stderr)
    {
        if (plan.Json is not null)
        {
            OutputPath.Require("--json", plan.Json);
        }

        CudaLibraries libraries = CudaLibraries.Load(plan.CudaPath);
        var options = new FfnEngineOptions
        {
            Backend = BackendKind.CuBlas, CudaPath = plan.CudaPath, Device = plan.Device, Autotune = plan.Autotune,
        };
        GpuReport? last = null;
        try
        {
            GpuRun.Measure(plan, libraries, options, stderr.WriteLine, report =>
            {
                last = report;
                if (plan.Json is not null)
                {
                    AtomicFile.WriteText(plan.Json, CliJson.Write(report, GpuJson.Default.GpuReport));
                }
            });
        }
        finally
        {
            // Whatever ended it, what was measured is told.
            if (last is { Rows.IsEmpty: false })
            {
                GpuText.Write(stdout, [last]);
            }
        }

        if (last?.Failures is { IsEmpty: false } failures)
        {
            throw new IncompleteException("Not everything was measured: " + string.Join("; ", failures));
        }
    }

    private static void Show(ImmutableArray<string> files, TextWriter stdout, TextWriter stderr)
    {
        List<GpuReport> reports = [GpuJson.Read(files[0])];
        foreach (string peer in files.Skip(1))
        {
            try
            {
                reports.Add(GpuJson.Read(peer));
            }
            catch (Exception error) when (error is IOException or InvalidDataException or UnauthorizedAccessException)
            {
                stderr.WriteLine($"'{peer}' is left out: {error.Message}");
            }
        }

        GpuText.Write(stdout, [.. reports]);
        if (reports.Count < files.Length)
        {
            throw new IncompleteException($"{files.Length - reports.Count} of {files.Length} files could not be shown.");
        }
    }
}
