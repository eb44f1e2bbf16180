using System.Globalization;

namespace NativeFfn;

/// <summary>What mode block computes of a layer, as a formula: F is the network, x a token's row.</summary>
internal static class BlockText
{
    /// <summary>The formula of a layer that has a block.</summary>
    public static string Of(FfnSpec spec)
    {
        BlockForm form = spec.BlockForm;
        string normed = Apply(spec.PreNorm, "x");
        string branch = Factor(form.BranchFactor) + (form.HasBranchScale ? "s ⊙ " : string.Empty) + Apply(spec.BranchNorm, $"F({normed})");
        string sum = $"{Factor(form.ResidualFactor)}{(form.ResidualIsNormed ? normed : "x")} + {branch}";
        return spec.PostNorm is null ? sum : Apply(spec.PostNorm, sum);
    }

    private static string Factor(float factor) => factor == 1 ? string.Empty : string.Create(CultureInfo.InvariantCulture, $"{factor} · ");

    private static string Apply(NormSpec? norm, string inner) => norm is null ? inner : $"{Name(norm)}({inner})";

    private static string Name(NormSpec norm) => string.Create(
        CultureInfo.InvariantCulture, $"{(norm.Kind == NormKind.Layer ? "layernorm" : "rmsnorm")}[{norm.Epsilon:0.##e-0}]");
}
