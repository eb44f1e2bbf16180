using System.Globalization;

namespace NativeFfn.Load.Wire;

/// <summary>A page in Prometheus's text format, summed over labels other than those asked for.</summary>
internal sealed class Metrics
{
    /// <summary>How long the server may answer with an earlier page.</summary>
    public static readonly TimeSpan CacheTime = TimeSpan.FromSeconds(0.5);

    private readonly List<(string Name, string Labels, double Value)> _samples = [];

    public static Metrics Parse(string page)
    {
        var metrics = new Metrics();
        foreach (string line in page.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            int value = line.LastIndexOf(' ');
            if (line[0] == '#' || value < 0)
            {
                continue;
            }

            string head = line[..value];
            int labels = head.IndexOf('{', StringComparison.Ordinal);
            if (double.TryParse(line[(value + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out double number))
            {
                metrics._samples.Add(labels < 0 ? (head, string.Empty, number) : (head[..labels], head[labels..], number));
            }
        }

        return metrics;
    }

    /// <summary>The sum of all samples of a name whose labels contain a text.</summary>
    public double Sum(string name, string labels = "") =>
        _samples.Where(sample => sample.Name == name && sample.Labels.Contains(labels, StringComparison.Ordinal)).Sum(
            static sample => sample.Value);

    /// <summary>A histogram's observations since an earlier page.</summary>
    public Histogram Histogram(string name, Metrics? since = null)
    {
        double count = Sum(name + "_count") - (since?.Sum(name + "_count") ?? 0);
        double sum = Sum(name + "_sum") - (since?.Sum(name + "_sum") ?? 0);
        IEnumerable<(double Bound, double Count)> buckets = Buckets(name)
            .Select(bucket => (bucket.Key, bucket.Value - (since?.Buckets(name).GetValueOrDefault(bucket.Key) ?? 0)));
        return new Histogram(count, sum, [.. buckets]);
    }

    private SortedDictionary<double, double> Buckets(string name)
    {
        var buckets = new SortedDictionary<double, double>();
        foreach ((string sample, string labels, double value) in _samples)
        {
            if (sample == name + "_bucket")
            {
                int at = labels.IndexOf("le=\"", StringComparison.Ordinal) + "le=\"".Length;
                string text = labels[at..labels.IndexOf('"', at)];
                double bound = text == "+Inf" ? double.PositiveInfinity : double.Parse(text, CultureInfo.InvariantCulture);
                buckets[bound] = buckets.GetValueOrDefault(bound) + value;
            }
        }

        return buckets;
    }
}

/// <summary>Observations of a histogram.</summary>
/// <param name="Count">How many.</param>
/// <param name="Sum">Their sum.</param>
/// <param name="Buckets">Upper bounds, and how many are at most that large.</param>
internal sealed record Histogram(double Count, double Sum, (double Bound, double Count)[] Buckets)
{
    public double Mean => Count == 0 ? 0 : Sum / Count;

    /// <summary>The smallest bound that a share of the observations does not pass.</summary>
    public double Within(double share) => Buckets.FirstOrDefault(bucket => bucket.Count >= share * Count).Bound;
}
