using System.CommandLine;
using NativeFfn.Bench;
using NativeFfn.Bench.Gpu;

namespace NativeFfn.GpuTests;

/// <summary>The program: the tests, the comparison and the command in one, so that a bundle of all three holds the runtime once.</summary>
internal static class Program
{
    private const int BadInput = 2;

    private static int Main(string[] args)
    {
        switch (args)
        {
            case ["test", var categories, var report]:
                return TestRun.Run(categories.Split(','), report);
            case ["gpu", ..]:
                return ToolRun.Of(new RootCommand { GpuTool.Create(Console.Out, Console.Error) }, args, Console.Out, Console.Error);
            case ["nativeffn", .. var rest]:
                return Cli.Program.Run(rest, Console.Out, Console.Error);
            default:
                Console.Error.WriteLine(
                    """
                    test CATEGORY,... REPORT.xml   runs the tests of these categories and writes NUnit's report
                    gpu ARGS                       the comparison on a GPU
                    nativeffn ARGS                 the command
                    """);
                return BadInput;
        }
    }
}
