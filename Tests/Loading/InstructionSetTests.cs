using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Loading;

/// <summary>Every width of vector, by telling the runtime of a process of its own to leave wider ones alone; and C# without assembled code.</summary>
[Category(Needs.Sdk)]
public sealed class InstructionSetTests
{
    [TestCase("DOTNET_EnableAVX512", "256-bit vectors")]
    [TestCase("DOTNET_EnableAVX2", "128-bit vectors")]
    [TestCase("DOTNET_EnableHWIntrinsic", "scalar code")]
    [TestCase("NATIVEFFN_ASSEMBLED", "NATIVEFFN_ASSEMBLED is 0")]
    public void Results_hold_without(string setting, string expected)
    {
        var environment = new Dictionary<string, string?> { [setting] = "0" };
        string info = CommandProcess.Run(environment, "info").Output;
        if (setting != "DOTNET_EnableHWIntrinsic" && !info.Contains(expected, StringComparison.Ordinal))
        {
            Assert.Ignore($"This processor has no wider vectors to leave: {info}");
        }

        foreach (GoldenCase golden in GoldenCases.All)
        {
            (int exitCode, string output, string error) = CommandProcess.Run(
                environment, "verify", "--model", golden.Directory, "--layer", $"{golden.Layer}");
            Assert.That(exitCode, Is.Zero, output + error);
        }

        // One case shows what a width does to the other ways of storing weights; panels of every width have tests of their own.
        foreach (string precision in CpuPrecisionsAttribute.All.Select(Names<FfnPrecision>.Of))
        {
            GoldenCase golden = GoldenCases.Find("llama");
            (int exitCode, string output, string error) = CommandProcess.Run(
                environment, "verify", "--model", golden.Directory, "--layer", $"{golden.Layer}", "--precision", precision);
            Assert.That(exitCode, Is.Zero, output + error);
        }
    }
}
