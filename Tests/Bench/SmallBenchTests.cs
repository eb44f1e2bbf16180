using NativeFfn.Bench;
using NUnit.Framework;

namespace NativeFfn.Tests.Bench;

/// <summary><c>small</c>: small layers beside other libraries, and a server's client beside direct calls.</summary>
public sealed class SmallBenchTests
{
    [Test]
    public void Every_layer_is_timed_beside_every_other_way_to_run_it()
    {
        using var stdout = new StringWriter();
        using var stderr = new StringWriter();
        Assert.That(Program.Run(["small", "--seconds", "0.01", "--busy", "1"], stdout, stderr), Is.Zero, stderr.ToString());
        string[] lines = stdout.ToString().Split('\n');
        using (Assert.EnterMultipleScope())
        {
            Assert.That(lines[0], Does.Contain("1 busy threads"));
            Assert.That(lines, Has.Some.Contain("direct").And.Contain("client").And.Contain("onnx, 2").And.Contain("TensorPrimitives"));
            Assert.That(
                lines.Count(static line => line.StartsWith("| swiglu 256x1024", StringComparison.Ordinal)), Is.EqualTo((2 * 3) + 4));
        }
    }

    [Test]
    public void The_client_can_be_timed_alone()
    {
        using var stdout = new StringWriter();
        using var stderr = new StringWriter();
        Assert.That(Program.Run(["small", "--client", "--seconds", "0.01"], stdout, stderr), Is.Zero, stderr.ToString());
        Assert.That(stdout.ToString(), Does.Not.Contain("onnx"));
    }
}
