using System.Text.Json;
using NativeFfn.Checkpoints;
using NativeFfn.Tests.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Golden;

/// <summary>Quantised checkpoints from the files to float64 answers of the exact weights, in every mode that was answered.</summary>
public class QuantisedGoldenTests : BackendTests
{
    public QuantisedGoldenTests(BackendKind backend)
        : base(backend)
    {
    }

    private static string Root => Path.Combine(AppContext.BaseDirectory, "Golden", "quantised");

    private static IEnumerable<string> All => Directory.EnumerateDirectories(Root).Select(static folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal);

    [Test]
    public void A_quantised_layer_gives_the_answers_of_its_weights([ValueSource(nameof(All))] string name, [Values] FfnMode mode)
    {
        JsonElement facts = Case(name);
        string folder = Path.Combine(Root, name);
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder);
        float[] input = TinySafetensors.ReadFloats(Path.Combine(folder, "input.safetensors"), "input");
        float[] expected = TinySafetensors.ReadFloats(Path.Combine(folder, "expected.safetensors"), mode.ToString().ToLowerInvariant());
        foreach (int threads in ThreadCounts)
        {
            using FfnLayer layer = Engine(threads).LoadLayer(checkpoint, facts.GetProperty("layer").GetInt32());
            Assert.That((layer.Spec.DModel, layer.Spec.DFf), Is.EqualTo((facts.GetProperty("d_model").GetInt32(), facts.GetProperty("d_ff").GetInt32())));
            Tolerances.AssertClose(
                Forward(layer, mode, input), Estimate.Exact(expected), facts.GetProperty("tolerance").GetDouble(), $"{name} {mode}, {threads} threads");
        }

        using FfnEngine storing = OpenEngine(1, FfnPrecision.Stored);
        using FfnLayer stored = storing.LoadLayer(checkpoint, facts.GetProperty("layer").GetInt32());
        Assert.That(stored.QuantizationError, Is.Zero);
        Tolerances.AssertClose(
            Forward(stored, mode, input), Estimate.Exact(expected), facts.GetProperty("tolerance").GetDouble(), $"{name} {mode} as stored");
    }

    private static JsonElement Case(string name) => QuantisedFolder.Json(File.ReadAllText(Path.Combine(Root, name, "case.json")));
}
