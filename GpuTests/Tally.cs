using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace NativeFfn.GpuTests;

/// <summary>Counts tests as they end, and writes down those that did not pass. NUnit may tell it of several at a time.</summary>
/// <param name="categories">Categories that are counted apart.</param>
/// <param name="current">A file that names the test which began last: all that is known of one that ends the process.</param>
internal sealed class Tally(string[] categories, string current) : ITestListener
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _passed = categories.ToDictionary(static name => name, static _ => 0);

    public int Passed { get; private set; }

    public int Failed { get; private set; }

    public int Skipped { get; private set; }

    /// <summary>Categories of which no test has passed.</summary>
    public IEnumerable<string> Empty => _passed.Where(static entry => entry.Value == 0).Select(static entry => entry.Key);

    public void TestFinished(ITestResult result)
    {
        if (result.Test.IsSuite)
        {
            // What a fixture's own set-up or tear-down met; its tests tell of theirs.
            if (result.ResultState.Status == TestStatus.Failed && result.ResultState.Site is FailureSite.SetUp or FailureSite.TearDown)
            {
                Write("failed", result);
            }

            return;
        }

        lock (_gate)
        {
            Count(result);
        }
    }

    public void TestStarted(ITest test)
    {
        lock (_gate)
        {
            File.WriteAllText(current, test.FullName);
        }
    }

    public void TestOutput(TestOutput output)
    {
    }

    public void SendMessage(TestMessage message)
    {
    }

    private static void Write(string outcome, ITestResult result) => Console.WriteLine($"{outcome}: {result.Test.FullName}: {result.Message}\n{result.StackTrace}".TrimEnd());

    // Its own and those of the suites around it.
    private static IEnumerable<string> CategoriesOf(ITest? test)
    {
        for (; test is not null; test = test.Parent)
        {
            foreach (string category in test.Properties[PropertyNames.Category].OfType<string>())
            {
                yield return category;
            }
        }
    }

    private void Count(ITestResult result)
    {
        switch (result.ResultState.Status)
        {
            case TestStatus.Passed or TestStatus.Warning:
                Passed++;
                Console.Write(result.Output);
                foreach (string category in CategoriesOf(result.Test).Where(_passed.ContainsKey).Distinct())
                {
                    _passed[category]++;
                }

                break;
            case TestStatus.Failed:
                Failed++;
                Write("failed", result);
                break;
            default:
                Skipped++;
                Write("skipped", result);
                break;
        }
    }
}
