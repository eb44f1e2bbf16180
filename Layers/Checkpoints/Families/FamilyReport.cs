using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>A row of the table in words.</summary>
/// <param name="ModelTypes">The <c>model_type</c>s.</param>
/// <param name="Form"><c>plain</c> or <c>gated</c>, and whether attention stands beside.</param>
/// <param name="Projections">The projections' names.</param>
/// <param name="Norms">The norms, where they stand, and what they are.</param>
/// <param name="Activation">The activation where the configuration names none.</param>
/// <param name="Router">How experts are chosen; null where there are none.</param>
internal sealed record FamilyLine(
    ImmutableArray<string> ModelTypes,
    string Form,
    ImmutableArray<string> Projections,
    ImmutableArray<string> Norms,
    string Activation,
    string? Router);

/// <summary>A composed model in words.</summary>
/// <param name="ModelType">The <c>model_type</c>.</param>
/// <param name="Towers">Its towers, each with the row that it is where its configuration names none.</param>
internal sealed record ComposedLine(string ModelType, ImmutableArray<string> Towers);

/// <summary>The whole table in words.</summary>
/// <param name="Families">The rows.</param>
/// <param name="Composed">The models of several towers.</param>
/// <param name="Gguf">The architectures of GGUF, each a name for a row.</param>
internal sealed record FamilyReport(ImmutableArray<FamilyLine> Families, ImmutableArray<ComposedLine> Composed, ImmutableArray<string> Gguf)
{
    /// <summary>Describes the table.</summary>
    public static FamilyReport Create() => new(
        [.. FamilyCatalog.Rows.Select(Describe)],
        [.. ComposedModels.All.Select(static model =>
            new ComposedLine(
                model.ModelType, [.. model.Parts.Select(static part => $"{Names<CheckpointTower>.Of(part.Tower)}: {part.Type}")]))],
        [.. GgufArchitectures.All.Select(static architecture => architecture.Name)]);

    private static FamilyLine Describe(FfnFamily row)
    {
        StoredProjections projections = row.Mixture is { Sparse: null } mixture ? mixture.Experts[0].Projections : row.Projections;
        string network = projections.Gate is null ? "plain" : projections.IsFused ? "gated, fused" : "gated";
        string form = row.IsParallel ? network + ", beside attention" : network;
        return new FamilyLine(
            row.ModelTypes,
            form,
            [.. projections.All.Select(static projection => projection.Name).Distinct()],
            [.. row.Norms.Select(static norm => $"{norm.Place}: {Describe(norm.Norm)}")],
            row.FixedActivation?.Name ?? row.ReadDefaultActivation().Name,
            row.Mixture is null ? null : Describe(row.Mixture));
    }

    private static string Describe(FamilyNorm norm)
    {
        string kind = norm.Kind == NormKind.Rms ? "RMSNorm" : "LayerNorm";
        string weight = norm.WeightOffset == 0 ? "" : FormattableString.Invariant($" ({norm.WeightOffset:0.###} + w)");
        return norm.Names.IsEmpty ? kind + " without a weight" : $"{kind}{weight} {norm.Names[0]}";
    }

    private static string Describe(FamilyMixture mixture) => string.Join(", ", new[]
    {
        Names<RouterScoring>.Of(mixture.Routing.Scoring),
        mixture.Renormalize.Key is not null ? "renormalised by configuration" : mixture.Renormalize.Absent ? "renormalised" : null,
        mixture.SelectionBias is null ? null : "selection bias",
        mixture.Groups is { Absent: 1, Key: null } ? null : "groups",
        mixture.Shared is null ? null : mixture.SharedGate is null ? "shared expert" : "gated shared expert",
        mixture.Sparse is null ? null : "some layers",
    }.OfType<string>());
}
