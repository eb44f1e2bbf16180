using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace NativeFfn.Backends;

/// <summary>How layers are cut over ranks: groups of experts, and within each a cut through every network's d_ff.</summary>
/// <remarks>Rank r has the experts of group r / Tensor, and of them the part r % Tensor. A dense layer is cut by all ranks.</remarks>
/// <param name="Tensor">Ranks that share each network; positive.</param>
/// <param name="Expert">Groups that a mixture's experts are dealt to; positive.</param>
internal readonly record struct ParallelPlan(int Tensor, int Expert)
{
    /// <summary>What stands for the choice by shapes.</summary>
    public const string AutoName = "auto";

    /// <summary>The plans that there are, in words.</summary>
    public const string Allowed = "auto, or tensor=T,expert=E on T x E ranks";

    // Ranks of a plan at most: a bound against a mistyped number.
    private const int MaxRanks = 1 << 20;

    /// <summary>The choice by shapes, made for each layer.</summary>
    public static ParallelPlan Auto => default;

    /// <summary>Whether the plan is chosen by shapes.</summary>
    public bool IsAuto => Tensor == 0;

    /// <summary>Ranks of the plan.</summary>
    public int Ranks => Tensor * Expert;

    /// <summary>The plans of so many ranks, those with the fewest groups of experts first.</summary>
    /// <param name="ranks">Ranks; positive.</param>
    /// <param name="experts">Experts of the layer; 0 where it is dense.</param>
    public static IEnumerable<ParallelPlan> Of(int ranks, int experts) =>
        from groups in Enumerable.Range(1, Math.Clamp(experts, 1, ranks))
        where ranks % groups == 0
        select new ParallelPlan(ranks / groups, groups);

    /// <summary>Reads a plan: <c>auto</c>, <c>tensor=2</c>, <c>expert=4</c>, <c>tensor=2,expert=4</c>.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out ParallelPlan plan)
    {
        plan = Auto;
        if (string.Equals(text, AutoName, StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        (int? tensor, int? expert) = (null, null);
        foreach (string part in (text ?? string.Empty).Split(','))
        {
            string[] sides = part.Split('=');
            if (sides.Length != 2 || !int.TryParse(sides[1], NumberStyles.None, CultureInfo.InvariantCulture, out int count)
                || count is < 1 or > MaxRanks)
            {
                return false;
            }

            switch (sides[0].Trim().ToLowerInvariant())
            {
                case "tensor" when tensor is null:
                    tensor = count;
                    break;
                case "expert" when expert is null:
                    expert = count;
                    break;
                default:
                    return false;
            }
        }

        plan = new ParallelPlan(tensor ?? 1, expert ?? 1);
        return (long)plan.Tensor * plan.Expert <= MaxRanks;
    }

    /// <inheritdoc/>
    public override string ToString() => IsAuto ? AutoName : string.Create(CultureInfo.InvariantCulture, $"tensor={Tensor},expert={Expert}");
}
