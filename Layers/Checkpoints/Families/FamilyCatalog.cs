using System.Collections.Frozen;
using System.Collections.Immutable;
using NativeFfn.Checkpoints.Files;

namespace NativeFfn.Checkpoints.Families;

/// <summary>
/// The table of every family that is supported, in files by what its rows are like. Another family is another row, or a model of parts that
/// are rows.
/// </summary>
internal static class FamilyCatalog
{
    private static readonly FrozenDictionary<string, FfnFamily> ByType = Rows
        .SelectMany(static family => family.ModelTypes.Select(type => KeyValuePair.Create(type, family))).ToFrozenDictionary();

    private static readonly FrozenDictionary<string, ComposedModel> Composed =
        ComposedModels.All.ToFrozenDictionary(static model => model.ModelType);

    /// <summary>Every row.</summary>
    public static ImmutableArray<FfnFamily> Rows =>
    [
        .. LlamaFamilies.All, .. GatedFamilies.All, .. PlainFamilies.All, .. EncoderFamilies.All, .. EncoderDecoderFamilies.All,
        .. VisionFamilies.All, .. MixtureFamilies.All,
    ];

    /// <summary>The families' <c>model_type</c>s, those of composed models among them.</summary>
    public static IEnumerable<string> ModelTypes { get; } = [.. Rows.SelectMany(static family => family.ModelTypes).Concat(Composed.Keys)];

    /// <summary>The family of a <c>model_type</c>, or null.</summary>
    public static FfnFamily? Find(string type) => ByType.GetValueOrDefault(type);

    /// <summary>The layers that a configuration means.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="tower">The tower that is asked for; null for the only one or the text model.</param>
    /// <param name="tensors">The checkpoint's tensors.</param>
    public static FamilyLayout Read(CheckpointConfig config, CheckpointTower? tower, CheckpointTensors tensors)
    {
        string type = config.Text("model_type");
        bool isMlx = config.Has("quantization");
        if (Composed.TryGetValue(type, out ComposedModel? model))
        {
            return ReadPart(config, model, tower, tensors, isMlx);
        }

        FfnFamily family = Find(type) ?? throw Unknown(config, type);
        ImmutableArray<CheckpointTower> towers = [.. family.Layers.Select(run => run.Tower ?? family.Tower)];
        RequireTower(config, type, tower, towers);
        return family.Read(new FamilySource(config, type, ComposedModels.OuterOf(family.Tower), tower) { IsMlx = isMlx }, tensors);
    }

    /// <summary>The layers of a model that its file names itself.</summary>
    public static FamilyLayout Read(StoredModel model, CheckpointTower? tower, CheckpointTensors tensors)
    {
        RequireTower(model.Config, model.Type, tower, [.. model.Family.Layers.Select(run => run.Tower ?? model.Family.Tower)]);
        return model.Family.Read(new FamilySource(model.Config, model.Type, [""], tower), tensors);
    }

    private static void RequireTower(CheckpointConfig config, string type, CheckpointTower? tower, ImmutableArray<CheckpointTower> towers)
    {
        if (tower is { } wanted && !towers.Contains(wanted))
        {
            throw new CheckpointException(
                $"{config.Path}: a model of type {CheckpointText.Quote(type)} has no {Names<CheckpointTower>.Of(wanted)} tower that " +
                $"is known here; known is {string.Join(", ", towers.Select(Names<CheckpointTower>.Of))}.");
        }
    }

    private static FamilyLayout ReadPart(
        CheckpointConfig config, ComposedModel model, CheckpointTower? tower, CheckpointTensors tensors, bool isMlx)
    {
        RequireTower(config, model.ModelType, tower, [.. model.Parts.Select(static part => part.Tower)]);
        ModelPart part = model.Parts.First(candidate => tower is null || candidate.Tower == tower);
        CheckpointConfig? section = part.ConfigKey.Length == 0 ? config : config.Section(part.ConfigKey);
        if (section is null && !part.MayBeFlat)
        {
            throw new CheckpointException(
                $"{config.Path}: has no {CheckpointText.Quote(config.Found(part.ConfigKey))}, which says what the " +
                $"{Names<CheckpointTower>.Of(part.Tower)} tower is.");
        }

        // A part may bear the whole model's name.
        string named = section is null || section == config ? model.ModelType : section.Text("model_type", model.ModelType);
        string type = named == model.ModelType || Composed.ContainsKey(named) ? part.Type : named;
        FfnFamily family = Find(type) ?? throw Unknown(section ?? config, type);

        // A part that is an encoder or a decoder has not the other half of its row.
        CheckpointTower? half = family.Layers.Any(run => run.Tower == part.Tower) ? part.Tower : null;

        // A model with a head sets its own name before all of it.
        string own = model.ModelType.Replace('-', '_') + ".";
        ImmutableArray<string> outer = [.. part.Outer, .. part.Outer.Select(prefix => own + prefix)];
        return family.Read(new FamilySource(section ?? config, type, outer, half) { IsMlx = isMlx }, tensors);
    }

    private static CheckpointException Unknown(CheckpointConfig config, string type)
    {
        string quoted = CheckpointText.Quote(type);
        string what = UnsupportedFamilies.WhyNot(type) is { } reason ? $"{quoted}, {reason}" : $"the unknown type {quoted}";
        return config.Wrong("model_type", $"{what}; `nativeffn families` lists what is supported");
    }
}
