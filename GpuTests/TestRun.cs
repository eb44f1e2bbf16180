using System.Security;
using NativeFfn.Tests.Support;
using NUnit.Framework.Api;
using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace NativeFfn.GpuTests;

/// <summary>Runs the tests of this assembly in this process, by NUnit's own runner.</summary>
internal static class TestRun
{
    private const int Done = 0;
    private const int Failed = 1;

    // Beside the report.
    private const string CurrentFile = "current";

    /// <summary>Runs the tests of some categories, but for those of <see cref="Needs.Sdk"/> and <see cref="Needs.Clone"/>.</summary>
    /// <param name="categories">The categories; a test has to be in one of them, and one at least of each has to pass.</param>
    /// <param name="report">Where NUnit's XML report goes.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string[] categories, string report)
    {
        DeviceMemoryWatch.SayFree("before");
        var runner = new NUnitTestAssemblyRunner(new DefaultTestAssemblyBuilder());
        runner.Load(typeof(TestRun).Assembly, new Dictionary<string, object>());
        var tally = new Tally(categories, Path.Combine(Path.GetDirectoryName(Path.GetFullPath(report))!, CurrentFile));
        ITestResult result = runner.Run(tally, TestFilter.FromXml(FilterOf(categories)));
        File.WriteAllText(report, result.ToXml(recursive: true).OuterXml);

        // A fixture that could not be set up has failed without any test of it.
        bool isDone = result.ResultState.Status != TestStatus.Failed && tally.Failed == 0;
        isDone &= DeviceMemoryWatch.NothingIsHeld();
        DeviceMemoryWatch.SayFree("after");
        foreach (string category in tally.Empty)
        {
            Console.WriteLine($"error: no test of category {category} has passed");
            isDone = false;
        }

        Console.WriteLine($"{tally.Passed} passed, {tally.Failed} failed, {tally.Skipped} skipped");
        return isDone ? Done : Failed;
    }

    private static string FilterOf(string[] categories)
    {
        string wanted = string.Concat(categories.Select(static name => $"<cat>{SecurityElement.Escape(name)}</cat>"));
        return $"<filter><and><or>{wanted}</or><not><or><cat>{Needs.Sdk}</cat><cat>{Needs.Clone}</cat></or></not></and></filter>";
    }
}
