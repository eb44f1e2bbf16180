using NativeFfn.Cli;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

/// <summary>One run of the command inside the test's process.</summary>
/// <param name="ExitCode">The exit code.</param>
/// <param name="Out">Standard output.</param>
/// <param name="Error">Standard error.</param>
internal sealed record CommandRun(int ExitCode, string Out, string Error)
{
    /// <summary>Runs the command with words as a shell would pass them.</summary>
    public static CommandRun Of(params string[] words)
    {
        var stdout = new StringWriter();
        var stderr = new StringWriter();
        int code = Program.Run(words, stdout, stderr);
        return new CommandRun(code, stdout.ToString(), stderr.ToString());
    }

    /// <summary>Runs a command that must be done.</summary>
    public static CommandRun Done(params string[] words)
    {
        CommandRun run = Of(words);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return run;
    }

    /// <summary>Asserts exit code 2 and one error line that names everything given.</summary>
    public void ShouldRefuse(params string[] named)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ExitCode, Is.EqualTo(2), Error);
            Assert.That(Error, Does.StartWith("nativeffn: error: "));
            Assert.That(Error.TrimEnd('\n'), Does.Not.Contain('\n'), "one line");
            Assert.That(Out, Is.Empty);
            foreach (string name in named)
            {
                Assert.That(Error, Does.Contain(name));
            }
        }
    }
}
