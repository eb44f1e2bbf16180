using System.Diagnostics;

namespace NativeFfn.Tests.Support;

/// <summary>The command in a process of its own, for what a process can only try once, such as loading a library.</summary>
internal static class CommandProcess
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "NativeFfn.Cli.dll");

    public static (int ExitCode, string Output, string Error) Run(IReadOnlyDictionary<string, string?> environment, params string[] arguments) =>
        DotnetProcess.Run(Environment.CurrentDirectory, environment, [Program, .. arguments]);

    public static Process Start(IReadOnlyDictionary<string, string?> environment, params string[] arguments) =>
        DotnetProcess.Start(Environment.CurrentDirectory, environment, [Program, .. arguments]);
}
