using System.Text.Json;
using System.Text.RegularExpressions;
using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Families;
using NativeFfn.Checkpoints.Files.Gguf;
using NativeFfn.Fuzzing;
using NativeFfn.Tests.Cli;
using NativeFfn.Tests.Readme;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>
/// The table of families: every row opens and runs in every form that it has, and no two rows say two things of one type.
/// </summary>
[TestFixture]
public sealed class FamilyTableTests
{
    private const int Tokens = 3;

    private static IEnumerable<TestCaseData> Rows() => FamilyCatalog.Rows.Select(
        static row => new TestCaseData(row).SetArgDisplayNames(row.ModelTypes[0]));

    [TestCaseSource(nameof(Rows))]
    public void Every_row_opens_and_runs_as_the_oracle_has_it(object family)
    {
        var row = (FfnFamily)family;
        int forms = 1;
        for (int form = 0; form < forms; form++)
        {
            var seed = new FamilySeed(row.ModelTypes[0], form);
            forms = seed.Forms;
            using var model = new TempModel(seed.Config, seed.File);
            FfnCheckpointLayer found = model.Layer(0);
            foreach ((string name, float[] values) in seed.Written)
            {
                Assert.That(Weights.Read(found, name), Is.EqualTo(values), $"{name}, form {form}");
            }

            Run(found);
        }
    }

    private static void Run(FfnCheckpointLayer found)
    {
        var weights = new FfnMemoryWeights(found.Spec);
        foreach (FfnTensor tensor in found.Spec.Tensors)
        {
            weights.Set(tensor.Name, Weights.Read(found, tensor.Name));
        }

        var random = new Random(5);
        float[] input = [.. Enumerable.Range(0, Tokens * found.Spec.DModel).Select(_ => (2 * random.NextSingle()) - 1)];
        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed });
        using FfnLayer layer = engine.CreateLayer(found.Spec, found.Weights);
        foreach (FfnMode mode in found.Spec.Modes)
        {
            float[] output = BackendTests.Forward(layer, mode, input);
            Tolerances.AssertClose(output, Oracle.Run(found.Spec, weights, mode, input).Output, Tolerances.Of(found.Spec), $"{mode}");
        }
    }

    [Test]
    public void A_type_is_in_one_place_and_there_are_as_many_as_promised()
    {
        string[] types = [.. FamilyCatalog.ModelTypes];
        Assert.That(types, Is.Unique);
        Assert.That(types, Has.Length.GreaterThan(250));
        string[] parts = [.. ComposedModels.All.SelectMany(static model => model.Parts).Select(static part => part.Type)];
        Assert.That(parts.Where(static type => FamilyCatalog.Find(type) is null), Is.Empty);
    }

    [Test]
    public void An_architecture_of_gguf_is_a_name_of_a_row()
    {
        Assert.That(GgufArchitectures.All, Has.Length.GreaterThan(90));
        foreach (GgufArchitecture architecture in GgufArchitectures.All)
        {
            FfnFamily row = FamilyCatalog.Find(architecture.MixtureType ?? architecture.Type)!;
            string key = architecture.Name + ".";
            Dictionary<string, JsonElement> metadata = new Dictionary<string, object>
            {
                ["general.architecture"] = architecture.Name, [key + "block_count"] = 1, [key + "decoder_block_count"] = 1,
                [key + "embedding_length"] = 8, [key + "feed_forward_length"] = 12, [key + "expert_count"] = row.Mixture is null ? 0 : 4,
                [key + "attention.layer_norm_epsilon"] = 1e-5, [key + "attention.layer_norm_rms_epsilon"] = 1e-5,
                [key + "expert_used_count"] = 2, [key + "expert_feed_forward_length"] = 6,
            }.ToDictionary(static entry => entry.Key, static entry => JsonSerializer.SerializeToElement(entry.Value));
            FfnFamily family = GgufModel.Read("model.gguf", metadata, static _ => false).Family;
            Assert.That(family.Norms.Select(static norm => norm.Norm.WeightOffset), Is.All.Zero, architecture.Name);
            Assert.That(family.Mixture is not null, Is.EqualTo(row.Mixture is not null), architecture.Name);
        }
    }

    [Test]
    public void The_documentation_lists_the_table_and_nothing_else()
    {
        string text = Documents.Read("docs/checkpoints.md");
        int start = text.IndexOf("## Families", StringComparison.Ordinal);
        string section = text[start..text.IndexOf("## Which part", StringComparison.Ordinal)];
        IEnumerable<string> listed = Regex.Matches(section, "`([^`]+)`").Select(static match => match.Groups[1].Value).Skip(1);
        Assert.That(
            listed,
            Is.EquivalentTo(FamilyCatalog.ModelTypes.Concat(GgufArchitectures.All.Select(static architecture => architecture.Name))));
    }

    [Test]
    public void The_command_lists_the_table_as_text_and_as_json()
    {
        string text = CommandRun.Done("families").Out;
        JsonElement json = JsonDocument.Parse(CommandRun.Done("families", "--json").Out).RootElement;
        IEnumerable<JsonElement> listed =
        [
            .. json.GetProperty("families").EnumerateArray().SelectMany(static row => row.GetProperty("modelTypes").EnumerateArray()),
            .. json.GetProperty("composed").EnumerateArray().Select(static model => model.GetProperty("modelType")),
        ];
        Assert.That(listed.Select(static type => type.GetString()), Is.EquivalentTo(FamilyCatalog.ModelTypes));
        Assert.That(text, Does.Contain("sparsemixer").And.Contain("qwen3_omni_moe").And.Contain("GGUF: llama"));
    }
}
