using System.Collections.Immutable;
using System.Text.Json.Nodes;
using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Families;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints.Stated;

/// <summary>The table of families against what the models' own sources say, written down apart from it.</summary>
[TestFixture]
public sealed class StatedFamilyTests
{
    // Small rows show an epsilon, large ones a limit.
    private static readonly ImmutableArray<float> Sizes = [1, 0.01f, 10];

    private static readonly ImmutableArray<StatedForm> Forms =
        [.. StatedDecoders.All, .. StatedPlain.All, .. StatedMixtures.All, .. StatedMoreMixtures.More, .. StatedEncoders.All];

    private FfnEngine _engine = null!;

    private static IEnumerable<TestCaseData> Stated() => Forms.Index().Select(
        static form => new TestCaseData(form.Index).SetArgDisplayNames($"{form.Index} {form.Item.Names[0]}"));

    private static IEnumerable<StatedTower> Towers() => File.ReadLines(
        Path.Combine(AppContext.BaseDirectory, "Checkpoints", "Stated", "composed.txt")).Where(static line => line[0] != '#')
        .Select(static line => new StatedTower([.. line.Split(' ')]));

    [OneTimeSetUp]
    public void Open() => _engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed, Threads = 1 });

    [OneTimeTearDown]
    public void Close() => _engine.Dispose();

    [TestCaseSource(nameof(Stated))]
    public void A_layer_is_what_its_models_sources_say(int index)
    {
        StatedForm form = Forms[index];
        foreach (string type in form.Names)
        {
            foreach (string prefix in form.Prefixes.Split(' '))
            {
                foreach (bool saysAll in (bool[])[false, true])
                {
                    var model = new StatedModel(form, type, prefix == "-" ? "" : prefix, saysAll);
                    Check(form, model, model.Config, form.Tower, $"{type} {prefix} {(saysAll ? "all keys" : "few keys")}");
                }
            }
        }
    }

    [TestCaseSource(nameof(Towers))]
    public void A_tower_is_found_where_its_models_have_it(object stated)
    {
        var tower = (StatedTower)stated;
        StatedForm form = Forms.Where(candidate => candidate.Names.Contains(tower.Part)).MaxBy(candidate => candidate.Tower == tower.Tower)!;
        foreach (string prefix in tower.Prefixes)
        {
            foreach (bool namesPart in (bool[])[false, true])
            {
                var model = new StatedModel(form, tower.Part, prefix, saysAll: false);
                Check(form, model, tower.Around(model.Config, namesPart), tower.Tower, $"{tower} {prefix}");
            }
        }
    }

    [Test]
    public void Every_type_of_the_table_is_stated_and_no_other()
    {
        Assert.That(Forms.SelectMany(static form => form.Names).Distinct(), Is.EquivalentTo(FamilyCatalog.Rows.SelectMany(static row => row.ModelTypes)));
        Assert.That(
            Towers().Select(static tower => $"{tower.Type} {tower.Tower}"),
            Is.EquivalentTo(ComposedModels.All.SelectMany(static model => model.Parts.Select(
                part => $"{model.ModelType} {Names<CheckpointTower>.Of(part.Tower)}"))));
    }

    private void Check(StatedForm form, StatedModel model, JsonObject config, string? asked, string what)
    {
        using var files = new TempModel(config.ToJsonString(), model.Bytes);
        CheckpointTower? tower = Names<CheckpointTower>.TryParse(asked, out CheckpointTower named) ? named : null;
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(files.Folder.Path, tower);
        using FfnLayer layer = _engine.LoadLayer(checkpoint, form.Layer);
        string[] modes = form.HasNoBlock ? ["ffn", "residual"] : ["ffn", "residual", "block"];
        Assert.That(layer.Spec.Modes.Select(Names<FfnMode>.Of), Is.EquivalentTo(modes), $"{what}: {layer.Spec.WhyNoBlock}");
        var random = new Random(7);
        float[] rows = [.. Sizes.SelectMany(size => Enumerable.Range(0, layer.Spec.DModel).Select(_ => size * ((2 * random.NextSingle()) - 1)))];
        foreach (FfnMode mode in layer.Spec.Modes)
        {
            double[] expected = model.Run(Names<FfnMode>.Of(mode), rows);
            Tolerances.AssertClose(
                BackendTests.Forward(layer, mode, rows), new Estimate(expected, [.. expected.Select(Math.Abs)]), Tolerances.Stated, $"{what} {mode}");
        }
    }
}

/// <summary>A tower of a composed model.</summary>
/// <param name="cells">A line of <c>composed.txt</c>.</param>
internal sealed class StatedTower(ImmutableArray<string> cells)
{
    /// <summary>The model's type.</summary>
    public string Type => cells[0];

    /// <summary>The tower.</summary>
    public string Tower => cells[1];

    /// <summary>The part's type.</summary>
    public string Part => cells[3];

    /// <summary>What stands before the part's layers.</summary>
    public ImmutableArray<string> Prefixes => cells[4..];

    /// <summary>A part's configuration as it stands in the model's.</summary>
    /// <param name="part">The part's.</param>
    /// <param name="namesPart">Whether it says of which type it is.</param>
    public JsonObject Around(JsonObject part, bool namesPart)
    {
        if (cells[2] == "-")
        {
            part["model_type"] = Type;
            return part;
        }

        if (!namesPart)
        {
            part.Remove("model_type");
        }

        JsonObject around = part;
        foreach (string key in cells[2].Split('.').Reverse())
        {
            around = new JsonObject { [key] = around };
        }

        around["model_type"] = Type;
        return around;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Type} {Tower}";
}
