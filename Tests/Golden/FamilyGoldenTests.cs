using System.Text.Json;
using NativeFfn.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Golden;

/// <summary>Checkpoints of many families, from the files to float64 answers, in every mode that the model has.</summary>
[TestFixtureSource(typeof(TestBackends), nameof(TestBackends.CpuFixtures))]
public class FamilyGoldenTests : EngineTests
{
    private static readonly string Root = Path.Combine(AppContext.BaseDirectory, "Golden", "families");

    public FamilyGoldenTests(BackendKind backend)
        : base(backend, FfnPrecision.Float32)
    {
    }

    private static IEnumerable<string> Cases =>
        Directory.EnumerateDirectories(Root).Select(static path => Path.GetFileName(path)).Order(StringComparer.Ordinal);

    [Test]
    public void A_layer_of_a_family_gives_the_answers_of_its_model([ValueSource(nameof(Cases))] string name)
    {
        string folder = Path.Combine(Root, name);
        JsonElement facts = JsonSerializer.Deserialize<JsonElement>(File.ReadAllBytes(Path.Combine(folder, "case.json")));
        string? asked = facts.GetProperty("tower").GetString();
        CheckpointTower? tower = Names<CheckpointTower>.TryParse(asked, out CheckpointTower named) ? named : null;
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder, tower);
        using FfnLayer layer = Engine(ThreadCounts[0]).LoadLayer(checkpoint, facts.GetProperty("layer").GetInt32());
        string answers = Path.Combine(folder, "expected.safetensors");
        string[] modes = [.. TinySafetensors.Names(answers)];
        Assert.That(layer.Spec.Modes.Select(Names<FfnMode>.Of), Is.EquivalentTo(modes));
        float[] input = TinySafetensors.ReadFloats(Path.Combine(folder, "input.safetensors"), "input");
        foreach (FfnMode mode in layer.Spec.Modes)
        {
            var expected = Estimate.Exact(TinySafetensors.ReadFloats(answers, Names<FfnMode>.Of(mode)));
            Tolerances.AssertClose(Forward(layer, mode, input), expected, Tolerances.Golden, $"{name} {mode}");
        }
    }
}
