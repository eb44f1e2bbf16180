using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using NativeFfn.Checkpoints.Families;

namespace NativeFfn.Checkpoints.Files.Gguf;

/// <summary>Makes a row of <see cref="FamilyCatalog"/> one of GGUF: every architecture has the same names and keys there.</summary>
/// <remarks>
/// The activation follows from the architecture and has no key. Writers of GGUF turn what was stored turned, part what was stacked by turns,
/// add what norms are stored less, and leave gate and up fused where they were.
/// </remarks>
internal static class GgufModel
{
    // llama.cpp's numbers of what a router's scores are; 3 is a softmax over the chosen, which a renormalised one over all equals.
    private static readonly RouterScoring[] Scorings =
        [RouterScoring.Softmax, RouterScoring.Softmax, RouterScoring.Sigmoid, RouterScoring.Softmax, RouterScoring.SqrtSoftplus];

    private const int OverTheChosen = 3;

    private static readonly ImmutableArray<ExpertForm> Experts =
    [
        new("ffn_gate_inp", Stacks("ffn_gate_exps", "ffn_up_exps")),
        new("ffn_gate_inp", new(
            Stack("ffn_gate_up_exps", ProjectionPart.FirstHalf), Stack("ffn_gate_up_exps", ProjectionPart.SecondHalf),
            Stack("ffn_down_exps"))),
        new("ffn_gate_inp", new(new("ffn_gate.{0}"), new("ffn_up.{0}"), new("ffn_down.{0}"))),
    ];

    /// <summary>The model of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="metadata">Its metadata.</param>
    /// <param name="hasTensor">Whether the file has a tensor.</param>
    public static StoredModel Read(string path, Dictionary<string, JsonElement> metadata, Func<string, bool> hasTensor)
    {
        const string architectureKey = "general.architecture";
        var config = new CheckpointConfig(path, metadata);
        string name = config.Text(architectureKey);
        GgufArchitecture architecture = GgufArchitectures.Find(name) ?? throw config.Wrong(
            architectureKey,
            $"{CheckpointText.Quote(name)}, {WhyNot(name)}; supported are " +
            string.Join(", ", GgufArchitectures.All.Select(static known => known.Name).Order(StringComparer.Ordinal)));
        string experts = name + ".expert_count";
        bool hasExperts = config.Has(experts) && config.Count(experts) > 0;
        FfnFamily family = FamilyCatalog.Find((hasExperts ? architecture.MixtureType : null) ?? architecture.Type)!;
        if (hasExperts && family.Mixture is null)
        {
            throw config.Wrong(experts, $"{config.Count(experts)}; mixtures of experts of this architecture are not read from GGUF");
        }

        return new StoredModel(name, Rename(hasExperts ? family : family with { Mixture = null }, architecture, config, hasTensor), config);
    }

    private static string WhyNot(string architecture) => architecture switch
    {
        // The scales of layers without a sieve are infinite there, and llama.cpp goes by numbers of its own.
        "gemma3n" => "whose files do not say which layers drop small gates; take the model as safetensors",
        "grok" => "whose layers add a dense network and a mixture of experts",
        _ => UnsupportedFamilies.WhyNot(architecture.Replace('-', '_')) ?? "which is not read from GGUF",
    };

    private static FfnFamily Rename(FfnFamily family, GgufArchitecture architecture, CheckpointConfig config, Func<string, bool> hasTensor)
    {
        string key = architecture.Name + ".";
        bool gated = family.Layers.Length > 1 ? hasTensor("enc.blk.0.ffn_gate.weight") : family.Projections.Gate is not null;
        StoredProjections split = gated ? new(new("ffn_gate"), new("ffn_up"), new("ffn_down")) : new(null, new("ffn_up"), new("ffn_down"));
        StoredProjections fused = StoredProjections.Fused("", "ffn_up", "ffn_down");
        FfnFamily known = architecture.Type == "falcon" ? family with { IsParallel = true } : family;
        return known with
        {
            DModelKey = key + "embedding_length",
            DFfKey = key + "feed_forward_length",
            Expansion = null,
            WidthOf = null,
            Map = null,
            Layers = family.Layers.Length == 1
                ? [new("blk.{0}.", key + "block_count")]
                :
                [
                    new("enc.blk.{0}.", key + "block_count", CheckpointTower.Encoder),
                    new("dec.blk.{0}.", key + "decoder_block_count", CheckpointTower.Decoder),
                ],
            Prefixes = [""],
            ActivationKey = null,
            Activation = family.Layers.Length == 1 ? family.Activation : gated ? "gelu_new" : "relu",
            Parameters = architecture.Parameters ?? family.Parameters,
            ReadParameters = null,
            Bias = new(null),
            Projections = gated && family.Projections.IsFused ? fused : split,
            OtherProjections = !gated ? [] : family.Projections.IsFused ? [split] : [fused],
            OutputFactor = new(1),
            PreNorm = Rename(
                family.PreNorm is { } pre && architecture.NormKind is { } kind ? pre with { Kind = kind } : family.PreNorm, architecture.PreNorm,
                key, config, family.Epsilon),
            InnerNorm = Rename(family.InnerNorm, ["ffn_sub_norm"], key, config, family.Epsilon),
            BranchNorm = Rename(family.BranchNorm, ["post_ffw_norm"], key, config, family.Epsilon),
            PostNorm = Rename(family.PostNorm, ["layer_output_norm"], key, config, family.Epsilon),
            Block = family.Block with { BranchFactor = new(1, key + "residual_scale"), ResidualIsNormed = new(false) },
            Mixture = family.Mixture is null ? null : Rename(family.Mixture, architecture, config, hasTensor),
            Only = [],
            Adapt = null,
        };
    }

    private static FamilyMixture Rename(
        FamilyMixture mixture, GgufArchitecture architecture, CheckpointConfig config, Func<string, bool> hasTensor)
    {
        string key = architecture.Name + ".";
        int gating = config.Count(key + "expert_gating_func", 0);
        RouterScoring scoring = gating == 0 ? architecture.Scoring ?? mixture.Routing.Scoring
            : gating < Scorings.Length ? Scorings[gating]
            : throw config.Wrong(key + "expert_gating_func", $"{gating}; known are 1 to {Scorings.Length - 1}");

        // A softmax in groups is DeepSeek-V2's, whose groups are as good as their best expert.
        bool softGroups = scoring == RouterScoring.Softmax && OrNone(config, key + "expert_group_count") is not null;
        bool absentNorm = architecture.Renormalize ?? mixture.Renormalize.Absent;
        float scale = config.Factor(key + "expert_weights_scale", mixture.Scaling.Key is null ? mixture.Scaling.Absent : 1);
        bool hasShared = Enumerable.Range(0, Math.Min(config.Size(key + "block_count"), FfnSpec.MaxStages))
            .Any(layer => hasTensor(string.Create(CultureInfo.InvariantCulture, $"blk.{layer}.ffn_up_shexp.weight")));
        string sharedWidth = key + "expert_shared_feed_forward_length";
        string sharedCount = key + "expert_shared_count";
        bool counts = !config.Has(sharedWidth) || config.Count(sharedWidth) == 0;
        return mixture with
        {
            ExpertsKey = key + "expert_count",
            ExpertsAlias = null,
            TopKKey = key + "expert_used_count",
            DFfKey = $"{key}expert_feed_forward_length|{key}feed_forward_length",
            Routing = mixture.Routing with
            {
                Scoring = scoring,
                GroupScoring = softGroups ? GroupScoring.Best : mixture.Routing.GroupScoring,
                MasksWithZero = softGroups || mixture.Routing.MasksWithZero,
            },
            Renormalize = gating == OverTheChosen ? new(true) : new(absentNorm, key + "expert_weights_norm"),
            SelectionBias = "exp_probs_b.bias|exp_probs_b",
            SelectionBiasIsOptional = true,
            SelectionBiasIsRow = false,
            RouterHasBias = true,
            ExpertsHaveBias = true,
            OutputBias = null,
            Groups = new(1, OrNone(config, key + "expert_group_count")),
            TopGroups = new(1, OrNone(config, key + "expert_group_used_count")),
            Scaling = new(scale == 0 ? 1 : scale),
            Jitter = new(mixture.Jitter.Absent),
            LogitSoftcap = new(0, key + "router_logit_softcapping"),
            SmallestSum = new(mixture.SmallestSum.Absent),
            Experts = mixture.Experts[0].Projections.Gate is null ? [.. Experts.Select(Plain)] : Experts,
            SharedDFf = !hasShared || counts ? null : new(null, sharedWidth),
            SharedCount = !hasShared || !counts ? null : new(1, OrNone(config, sharedCount) ?? sharedCount),
            Shared = !hasShared ? null : mixture.Shared?.Gate is null && mixture.Shared is not null
                ? new(null, new("ffn_up_shexp"), new("ffn_down_shexp"))
                : new(new("ffn_gate_shexp"), new("ffn_up_shexp"), new("ffn_down_shexp")),
            SharedGate = mixture.SharedGate is null ? null : "ffn_gate_inp_shexp",
            SharedGateIsVector = true,
            Sparse = SparseLayers.ByFile,
        };
    }

    private static ExpertForm Plain(ExpertForm form) => form with { Projections = form.Projections with { Gate = null } };

    // A number that is written as 0 where there is none.
    private static string? OrNone(CheckpointConfig config, string key) => config.Has(key) && config.Count(key) > 0 ? key : null;

    private static StoredProjections Stacks(string gate, string up) => new(Stack(gate), Stack(up), Stack("ffn_down_exps"));

    private static StoredProjection Stack(string name, ProjectionPart part = ProjectionPart.Whole) => new(name, part) { IsStack = true };

    private static FamilyNorm? Rename(
        FamilyNorm? norm, ImmutableArray<string> names, string prefix, CheckpointConfig config, Keyed<float> epsilon)
    {
        if (norm is null)
        {
            return null;
        }

        string key = prefix + (norm.Kind == NormKind.Layer ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon");
        bool hasTensors = norm.Names.Length > 0;
        return norm with
        {
            Names = hasTensors ? names : [],
            WeightOffset = 0,
            HasBias = norm.Kind == NormKind.Layer && hasTensors ? null : false,
            Epsilon = config.Has(key) ? new(0, key)
                : epsilon.Key is null ? epsilon
                : throw config.Wrong(key, "absent, but a model of its architecture needs it"),
        };
    }
}
