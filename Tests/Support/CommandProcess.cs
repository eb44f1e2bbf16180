using System.Diagnostics;
using NUnit.Framework;

namespace NativeFfn.Tests.Support;

/// <summary>The command in a process of its own, for what a process can only try once, such as loading a library.</summary>
internal static class CommandProcess
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private const string Command = "NativeFfn.Cli.dll";

    public static (int ExitCode, string Output, string Error) Run(IReadOnlyDictionary<string, string?> environment, params string[] arguments) =>
        RunProgram(Command, environment, arguments);

    /// <summary>Runs another program that lies beside the tests.</summary>
    public static (int ExitCode, string Output, string Error) RunProgram(
        string program, IReadOnlyDictionary<string, string?> environment, params string[] arguments)
    {
        using Process process = StartProgram(program, environment, arguments);
        Task<string> error = process.StandardError.ReadToEndAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(Patience))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} did not end: {string.Join(' ', arguments)}");
        }

        return (process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }

    public static Process Start(IReadOnlyDictionary<string, string?> environment, params string[] arguments) =>
        StartProgram(Command, environment, arguments);

    private static Process StartProgram(string program, IReadOnlyDictionary<string, string?> environment, string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, program));
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        foreach ((string name, string? value) in environment)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }
}
