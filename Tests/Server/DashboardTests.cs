using System.Diagnostics.Metrics;
using System.Text.Json;
using System.Text.RegularExpressions;
using NativeFfn.Hosting.Telemetry;
using NativeFfn.Tests.Readme;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Server;

/// <summary>The dashboard and the alerts of docs: what they ask for is what the meter has.</summary>
[Category(Needs.Clone)]
public sealed partial class DashboardTests
{
    private static readonly string[] Tags =
        ["nativeffn_engine", "nativeffn_layer", "nativeffn_mode", "nativeffn_direct", "nativeffn_expert", "nativeffn_model"];

    [TestCase("docs/grafana.json", 16)]
    [TestCase("docs/grafana-alerts.json", 5)]
    public void Every_name_is_a_series_of_the_meter_or_one_of_its_tags(string document, int queries)
    {
        string[] expressions = [.. Expressions(JsonDocument.Parse(Documents.Read(document)).RootElement)];
        string[] named = [.. expressions.SelectMany(static text => Name().Matches(text)).Select(static match => match.Value).Distinct()];
        Assert.That(expressions, Has.Length.AtLeast(queries - 1));
        Assert.That(named, Is.Not.Empty.And.SubsetOf(Series().Concat(Tags)));
    }

    // As Prometheus' exporter spells instruments: with the unit, and with _total for a counter.
    private static List<string> Series()
    {
        var series = new List<string>();
        using var listener = new MeterListener { InstrumentPublished = (instrument, _) => series.AddRange(NamesOf(instrument)) };
        using var metrics = new FfnMetrics(factory: null);
        listener.Start();
        return series;
    }

    private static IEnumerable<string> NamesOf(Instrument instrument)
    {
        string kind = instrument.GetType().Name;
        string unit = instrument.Unit switch
        {
            "s" => "_seconds",
            "By" => "_bytes",
            "1" when kind.Contains("Gauge", StringComparison.Ordinal) => "_ratio",
            _ => string.Empty,
        };
        string name = instrument.Name.Replace('.', '_') + unit;
        bool isCounter = instrument is Counter<long> or ObservableCounter<long>;
        return kind.StartsWith("Histogram", StringComparison.Ordinal)
            ? [name + "_bucket", name + "_sum", name + "_count"]
            : [isCounter ? name + "_total" : name];
    }

    private static IEnumerable<string> Expressions(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Array => element.EnumerateArray().SelectMany(Expressions),
        JsonValueKind.Object => element.EnumerateObject().SelectMany(static property =>
            property.Name is "expr" or "query" && property.Value.ValueKind == JsonValueKind.String
                ? [property.Value.GetString()!]
                : Expressions(property.Value)),
        _ => [],
    };

    [GeneratedRegex("nativeffn_[a-z_]+")]
    private static partial Regex Name();
}
