using NativeFfn.Bench;
using NUnit.Framework;

namespace NativeFfn.Tests.Bench;

/// <summary><c>queue</c>: direct and queued calls in one table.</summary>
public sealed class QueueBenchTests
{
    [Test]
    public void Direct_and_queued_calls_and_clients_together_are_timed()
    {
        using var stdout = new StringWriter();
        using var stderr = new StringWriter();
        Assert.That(Program.Run(["queue", "--clients", "3", "--seconds", "0.01"], stdout, stderr), Is.Zero, stderr.ToString());
        Assert.That(stdout.ToString(), Does.Contain("| direct ").And.Contain("| queued ").And.Contain("| 3 clients together "));
        Assert.That(Program.Run(["queue", "--clients", "0"], stdout, stderr), Is.EqualTo(2));
        Assert.That(stderr.ToString(), Does.StartWith("bench: error: ").And.Contain("--clients is '0'"));
    }
}
