using NUnit.Framework;

namespace NativeFfn.Tests.Support;

/// <summary>What a run of the tests looked at beside its tests: build/test.sh adds up all counts of one thing and prints them.</summary>
internal static class Counted
{
    /// <summary>Counts things.</summary>
    /// <param name="count">How many.</param>
    /// <param name="what">What they are, in the plural.</param>
    public static void Add(int count, string what) => TestContext.Out.WriteLine($"counted: {count} {what}");
}
