using System.CommandLine;
using NativeFfn.Bench.Comparing;
using NativeFfn.Bench.Errors;
using NativeFfn.Bench.Gpu;
using NativeFfn.Bench.Queue;
using NativeFfn.Bench.Reporting;
using NativeFfn.Bench.Small;
using NativeFfn.Cli;
using NativeFfn.Cli.Files;
using NativeFfn.Cli.Options;

namespace NativeFfn.Bench;

/// <summary>The program: the comparison, and a subcommand for each other thing that is measured.</summary>
internal static class Program
{
    /// <summary>Runs on any writers.</summary>
    public static int Run(string[] args, TextWriter stdout, TextWriter stderr)
    {
        RootCommand root = ComparisonCommand.Create(plan => Compare(plan, stdout, stderr));
        root.Add(GpuTool.Create(stdout, stderr));
        root.Add(QueueCommand.Create(stdout));
        root.Add(SmallCommand.Create(stdout));
        root.Add(ErrorsCommand.Create(stdout));
        return ToolRun.Of(root, args, stdout, stderr);
    }

    private static int Main(string[] args) => Run(args, Console.Out, Console.Error);

    private static void Compare(ComparisonPlan plan, TextWriter stdout, TextWriter stderr)
    {
        var machine = Machine.Here();
        RequirePath("--json", plan.Json);
        RequirePath("--plot", plan.Plot);
        stdout.WriteLine($"{machine}; {plan.Threads} threads each");
        List<ShapeReport> shapes = [];
        foreach (LayerShape shape in plan.Shapes)
        {
            ShapeReport report = ShapeComparison.Run(plan, plan.SpecOf(shape), stderr.WriteLine);
            ComparisonText.Write(stdout, report);
            shapes.Add(report);
            if (plan.Plot is not null)
            {
                AtomicFile.Write(plan.Shapes.Length == 1 ? plan.Plot : WithSuffix(plan.Plot, report.Shape), ComparisonPlot.Draw(machine, report));
            }
        }

        if (plan.Json is not null)
        {
            AtomicFile.WriteText(plan.Json, CliJson.Write(new ComparisonReport(machine, [.. shapes]), ComparisonJson.Default.ComparisonReport));
        }
    }

    private static void RequirePath(string option, string? path)
    {
        if (path is not null)
        {
            OutputPath.Require(option, path);
        }
    }

    // Between the name and its extension.
    private static string WithSuffix(string path, string suffix) =>
        Path.Combine(Path.GetDirectoryName(path) ?? string.Empty, $"{Path.GetFileNameWithoutExtension(path)}-{suffix}{Path.GetExtension(path)}");
}
