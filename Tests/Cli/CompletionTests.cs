using System.Diagnostics;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

/// <summary>The words that a shell offers, asked for as its script asks, and by shells that are installed.</summary>
public sealed class CompletionTests
{
    [TestCase("nativeffn ben", "bench")]
    [TestCase("nativeffn bench --sha", "--shape")]
    [TestCase("nativeffn bench --kernel ", "auto", "sgemm", "panels")]
    [TestCase("nativeffn forward --mode r", "residual")]
    [TestCase("nativeffn completion ", "bash", "zsh", "fish", "pwsh")]
    public void Words_that_fit_at_the_cursor_are_told(string line, params string[] expected)
    {
        CommandRun run = CommandRun.Done($"[suggest:{line.Length}]", line);
        Assert.That(run.Out.Split(Environment.NewLine), Is.SupersetOf(expected));
    }

    [TestCase("bash")]
    [TestCase("zsh")]
    [TestCase("fish")]
    [TestCase("pwsh")]
    public void Every_shell_has_a_script(string shell) =>
        Assert.That(CommandRun.Done("completion", shell).Out, Does.Contain("nativeffn").And.Contain("[suggest:"));

    // The shell itself, with the command's words by the script that was printed.
    [TestCase("bash", "COMP_LINE='nativeffn ver' COMP_POINT=13 COMP_WORDS=(nativeffn ver) COMP_CWORD=1; _nativeffn; echo ${COMPREPLY[@]}", "verify")]
    [TestCase("fish", "complete -C 'nativeffn ver'", "verify")]
    [Platform("Linux")]
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    [Category(Needs.Sdk)]
    public void A_shell_completes_by_its_script(string shell, string ask, string expected)
    {
        if (!CommandPath.Has(shell))
        {
            Assert.Ignore($"There is no {shell} here.");
        }

        using var folder = new CommandFolder();
        string command = folder["nativeffn"];
        File.WriteAllText(command, $"#!/bin/sh\nexec dotnet '{Path.Combine(AppContext.BaseDirectory, "NativeFfn.Cli.dll")}' \"$@\"\n");
        File.SetUnixFileMode(command, UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.UserWrite);
        File.WriteAllText(folder["script"], CommandRun.Done("completion", shell).Out);
        var start = new ProcessStartInfo(shell, ["-c", $"source '{folder["script"]}'; {ask}"]) { RedirectStandardOutput = true };
        start.Environment["PATH"] = Path.GetDirectoryName(command) + ":" + start.Environment["PATH"];
        using Process process = Process.Start(start)!;
        Assert.That(process.StandardOutput.ReadToEnd().Trim(), Is.EqualTo(expected));
        process.WaitForExit();
    }
}
