using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Testing.Platform.Extensions;
using Microsoft.Testing.Platform.Extensions.Messages;
using Microsoft.Testing.Platform.Extensions.TestHost;
using Microsoft.Testing.Platform.Services;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Running;

/// <summary>
/// Tells the script that started a run what its report leaves out: reasons of skipped tests, what ran where, and sums of
/// <see cref="Counted"/>.
/// </summary>
/// <remarks>The runner calls it for one test after the other, from any thread.</remarks>
/// <param name="folder">Where <c>summary</c> goes.</param>
internal sealed partial class TestSummary(string folder) : IDataConsumer, ITestSessionLifetimeHandler
{
    private static readonly (string Category, string Name)[] Backends =
    [
        ("Mkl", "MKL"), ("CuBlas", "cuBLAS"), (nameof(SoftwareDevice), "the software device, which is no cuBLAS"),
    ];

    /// <summary>The folder for what a run writes beside its report; null where none is asked for.</summary>
    public static string? Folder { get; } =
        Environment.GetEnvironmentVariable("NATIVEFFN_TEST_SUMMARY") is { Length: > 0 } named ? named : null;

    private readonly int[] _passed = new int[Backends.Length];
    private readonly SortedDictionary<string, long> _counted = new(StringComparer.Ordinal);
    private readonly List<string> _skipped = [];

    public Type[] DataTypesConsumed => [typeof(TestNodeUpdateMessage)];

    public string Uid => nameof(TestSummary);

    public string Version => "1";

    public string DisplayName => "Summary";

    public string Description => "What ran where, what was skipped and why.";

    public Task<bool> IsEnabledAsync() => Task.FromResult(true);

    public Task OnTestSessionStartingAsync(ITestSessionContext testSessionContext) => Task.CompletedTask;

    public Task ConsumeAsync(IDataProducer dataProducer, IData value, CancellationToken cancellationToken)
    {
        TestNode test = ((TestNodeUpdateMessage)value).TestNode;
        switch (test.Properties.SingleOrDefault<TestNodeStateProperty>())
        {
            case PassedTestNodeStateProperty:
                Count(test);
                break;
            case SkippedTestNodeStateProperty skipped:
                _skipped.Add($"skipped: {NameOf(test)}: {Short(skipped.Explanation)}");
                break;
        }

        return Task.CompletedTask;
    }

    public Task OnTestSessionFinishingAsync(ITestSessionContext testSessionContext)
    {
        string[] ran = [.. Backends.Select((backend, i) => $"on {backend.Name}: {_passed[i]}")];
        File.WriteAllLines(
            Path.Combine(folder, "summary"),
            [.. _skipped.Order(
                StringComparer.Ordinal), .. _counted.Select(static sum => $"{sum.Value} {sum.Key}"), $"passed {string.Join("; ", ran)}"]);
        return Task.CompletedTask;
    }

    private static string NameOf(TestNode test) =>
        test.Properties.SingleOrDefault<TestMethodIdentifierProperty>() is { } method
            ? $"{method.Namespace}.{method.TypeName}.{test.DisplayName}"
            : test.DisplayName;

    // The list of every path that was tried is the same for all tests of an absent library.
    private static string Short(string? reason) =>
        string.IsNullOrWhiteSpace(reason) ? "no reason given" : White().Replace(Tried().Replace(reason, string.Empty), " ").Trim();

    [GeneratedRegex(@"\s+Tried:\s.*", RegexOptions.Singleline)]
    private static partial Regex Tried();

    [GeneratedRegex(@"\s+")]
    private static partial Regex White();

    [GeneratedRegex(@"^counted: (\d+) (.+?)\r?$", RegexOptions.Multiline)]
    private static partial Regex CountedLine();

    private void Count(TestNode test)
    {
        // Categories of the suites around it are its own here.
        var categories = test.Properties.OfType<TestMetadataProperty>().Select(
            static property => property.Key).ToHashSet(StringComparer.Ordinal);
        for (int i = 0; i < Backends.Length; i++)
        {
            _passed[i] += categories.Contains(Backends[i].Category) ? 1 : 0;
        }

        foreach (Match line in CountedLine().Matches(
            test.Properties.SingleOrDefault<StandardOutputProperty>()?.StandardOutput ?? string.Empty))
        {
            string what = line.Groups[2].Value;
            _counted[what] = _counted.GetValueOrDefault(what) + long.Parse(line.Groups[1].Value, CultureInfo.InvariantCulture);
        }
    }
}
