using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;

namespace NativeFfn.Cli.Options;

/// <summary>What a link between ranks can do, written <c>25,2</c>.</summary>
/// <param name="GbPerSec">10⁹ bytes a second.</param>
/// <param name="Microseconds">What a message takes before its first byte is there.</param>
internal sealed record LinkRate(double GbPerSec, double Microseconds);

/// <summary>Options of <c>plan</c>.</summary>
internal static class PlanOptions
{
    // More than any job has; a bound against a mistyped number.
    private const int MaxRanks = 1 << 20;

    // Faster than any machine is; in units of 10⁹ a second.
    private const double MaxRate = 1e9;
    private const double MaxMicroseconds = 1e9;
    private const double MaxGigabytes = 1e9;

    public static Option<ImmutableArray<int>> Ranks() => OptionFactory.List<int>(
        "--ranks",
        "Numbers of ranks; those of the MPI job if left out.",
        $"whole numbers from 1 to {MaxRanks} with commas between them",
        static (string word, out int ranks) =>
            int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out ranks) && ranks is >= 1 and <= MaxRanks);

    public static Option<double> MemoryRate() => Positive("--memory-rate", "GB/S", "Weights that a rank reads in a second; measured if left out.", MaxRate);

    public static Option<double> ComputeRate() => Positive("--compute-rate", "GFLOP/S", "Operations of a rank; measured if left out.", MaxRate);

    public static Option<double> Memory() => Positive("--memory", "GB", "What the weights of a rank may take; any number if left out.", MaxGigabytes);

    public static Option<LinkRate?> Link() => OptionFactory.Word<LinkRate?>(
        "--link",
        "GB/S,US",
        "What a rank sends to another in a second, and a message's latency in microseconds; measured by the MPI job if left out.",
        "two numbers above 0 with a comma between them, such as 25,2",
        static (string word, out LinkRate? link) =>
        {
            link = null;
            if (word.Split(',') is not [var rate, var latency] || !TryRead(rate, MaxRate, out double bytes)
                || !TryRead(latency, MaxMicroseconds, out double microseconds))
            {
                return false;
            }

            link = new LinkRate(bytes, microseconds);
            return true;
        });

    // 0 where it was left out.
    private static Option<double> Positive(string name, string unit, string description, double most) => OptionFactory.Word(
        name, unit, description, $"a number above 0, at most {most}", (string word, out double value) => TryRead(word, most, out value));

    private static bool TryRead(string word, double most, out double value) =>
        double.TryParse(word, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out value)
        && value > 0 && value <= most;
}
