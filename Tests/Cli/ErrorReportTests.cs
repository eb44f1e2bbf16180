using NativeFfn.Checkpoints;
using NativeFfn.Cli;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

public sealed class ErrorReportTests
{
    [TestCaseSource(nameof(Errors))]
    public void An_error_is_one_line_and_an_exit_code(Exception error, int code, string line)
    {
        var stderr = new StringWriter();
        Assert.That(ErrorReport.Write(stderr, error), Is.EqualTo(code));
        Assert.That(stderr.ToString(), Does.StartWith("nativeffn: error: " + line));
        Assert.That(stderr.ToString().TrimEnd('\n'), Does.Not.Contain('\n'));
    }

    [TestCase("first\n  second\nthird", "first; second; third")]
    [TestCase("tried:\r\n  one\r\n  two", "tried: one; two")]
    [TestCase("\nonly\n", "only")]
    public void Lines_are_joined(string message, string joined) => Assert.That(ErrorReport.OneLine(message), Is.EqualTo(joined));

    [TestCase("not found. Do this.\n  tried that", "not found")]
    [TestCase("not found. Tried:\n  this", "not found")]
    [TestCase("version 1.2 is too old", "version 1.2 is too old")]
    public void A_reason_in_short_has_no_remedy(string reason, string inShort) => Assert.That(EngineReport.InShort(reason), Is.EqualTo(inShort));

    private static IEnumerable<TestCaseData> Errors()
    {
        yield return new TestCaseData(new CheckpointException("broken"), 2, "broken").SetArgDisplayNames("checkpoint");
        yield return new TestCaseData(new ArgumentException("odd", "rows"), 2, "odd\n").SetArgDisplayNames("argument");
        yield return new TestCaseData(new ArgumentOutOfRangeException("rows", 5, "odd"), 2, "odd\n").SetArgDisplayNames("range");
        yield return new TestCaseData(new NotSupportedException("never"), 2, "never").SetArgDisplayNames("unsupported");
        yield return new TestCaseData(new BackendUnavailableException(BackendKind.Mkl, "gone\n  a\n  b"), 2, "Backend 'mkl' is not available: gone; a; b").SetArgDisplayNames("backend");
        yield return new TestCaseData(new UnauthorizedAccessException("denied"), 2, "denied").SetArgDisplayNames("access");
        yield return new TestCaseData(new IOException("disk full"), 2, "disk full").SetArgDisplayNames("io");
        yield return new TestCaseData(new InsufficientMemoryException("9 GB"), 2, "Not enough memory: 9 GB").SetArgDisplayNames("memory");
        yield return new TestCaseData(new OperationCanceledException(), 130, "Interrupted").SetArgDisplayNames("ctrl+c");
        yield return new TestCaseData(new InvalidOperationException("bug"), 1, "Unexpected InvalidOperationException: bug").SetArgDisplayNames("bug");
    }
}
