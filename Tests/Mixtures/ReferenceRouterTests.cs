using NativeFfn.Backends.Reference;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Mixtures;

/// <summary>The references' routing against small cases worked out by hand.</summary>
[TestFixture]
public sealed class ReferenceRouterTests
{
    private static readonly double Ln2 = Math.Log(2);
    private static readonly double Ln3 = Math.Log(3);

    // Softmax of (ln 1, ln 2, ln 3, ln 2) is (1, 2, 3, 2) / 8; the second place is a tie of experts 1 and 3.
    [TestCase(true, new[] { 0, 0.4, 0.6, 0 })]
    [TestCase(false, new[] { 0, 0.25, 0.375, 0 })]
    public void Softmax_takes_the_largest_and_of_a_tie_the_first(bool renormalize, double[] gates) =>
        AssertRoute(new MixtureSpec(4, 2) { Renormalize = renormalize }, [0, Ln2, Ln3, Ln2], null, gates, [2, 1], margin: 0);

    [TestCase(RouterScoring.Softmax, true, 1.0 / 3)]
    [TestCase(RouterScoring.Softmax, false, 1.0 / 6)]
    [TestCase(RouterScoring.Sigmoid, true, 1.0 / 3)]
    [TestCase(RouterScoring.Sigmoid, false, 0.5)]
    public void Equal_logits_choose_the_first_experts_alike(RouterScoring scoring, bool renormalize, double gate) => AssertRoute(
        new MixtureSpec(6, 3) { Scoring = scoring, Renormalize = renormalize }, new double[6], null, [gate, gate, gate, 0, 0, 0], [0, 1, 2], margin: 0);

    // σ(ln 3) = 3/4, σ(ln 2) = 2/3, σ(0) = 1/2, σ(-ln 3) = 1/4.
    [Test]
    public void A_bias_moves_the_choice_and_not_the_weight() => AssertRoute(
        new MixtureSpec(4, 2) { Scoring = RouterScoring.Sigmoid, HasSelectionBias = true, Scaling = 2.5f },
        [Ln3, Ln2, 0, -Ln3],
        [0, 0, 0, 1],
        [2.5 * 0.75, 0, 0, 2.5 * 0.25],
        [3, 0],
        margin: (0.75 - (2.0 / 3)) / 1.25);

    // Groups of two: sums 3/4 + 1/4, 2/3 + 1/2, 3/4 + 1/4. The last one is out, though its better expert is as good as any.
    [Test]
    public void Groups_are_as_good_as_their_two_best_and_of_a_tie_the_first_stays() => AssertRoute(
        new MixtureSpec(6, 2) { Scoring = RouterScoring.Sigmoid, Renormalize = false, Groups = 3, TopGroups = 2 },
        [Ln3, -Ln3, Ln2, 0, Ln3, -Ln3],
        null,
        [0.75, 0, 2.0 / 3, 0, 0, 0],
        [0, 2],
        margin: 0);

    [Test]
    public void The_best_expert_is_out_where_its_group_is() => AssertRoute(
        new MixtureSpec(6, 2) { Scoring = RouterScoring.Sigmoid, Renormalize = false, Groups = 2, TopGroups = 1 },
        [Ln3, -Ln3, -Ln3, 0, Ln2, 0],
        null,
        [0, 0, 0, 0.5, 2.0 / 3, 0],
        [4, 3],
        margin: 0);

    // DeepSeek-V3's bias counts for groups too: 1/4 + 1/4 of the first pair becomes 1/4 + 5/4 against 2/3 + 2/3.
    [Test]
    public void A_bias_moves_groups_too() => AssertRoute(
        new MixtureSpec(4, 1) { Scoring = RouterScoring.Sigmoid, HasSelectionBias = true, Groups = 2, TopGroups = 1 },
        [-Ln3, -Ln3, Ln2, Ln2],
        [0, 1, 0, 0],
        [0, 1, 0, 0],
        [1],
        margin: (1.5 - (4.0 / 3)) / 1.5);

    [Test]
    public void Negative_scores_in_the_chosen_groups_go_before_others_outside() => AssertRoute(
        new MixtureSpec(4, 2) { Scoring = RouterScoring.Sigmoid, HasSelectionBias = true, Renormalize = false, Groups = 2, TopGroups = 1 },
        [0, 0, 0, 0],
        [3, -5, -1, -2],
        [0.5, 0.5, 0, 0],
        [0, 1],
        margin: 1 / 2.0);

    // DeepSeek-V2's way: of the other group's experts, left with 0, the first goes before one whose own score is negative.
    [Test]
    public void Zeros_outside_go_before_negative_scores_where_groups_are_masked_with_them() => AssertRoute(
        new MixtureSpec(4, 2)
        {
            Scoring = RouterScoring.Sigmoid, HasSelectionBias = true, Renormalize = false, Groups = 2, TopGroups = 1,
            GroupScoring = GroupScoring.Best, MasksWithZero = true,
        },
        [0, 0, 0, 0],
        [3, -5, -1, -2],
        [0.5, 0, 0.5, 0],
        [0, 2],
        margin: 4 / 3.5);

    // Sums of two best: 1/4 + 2/3 and 1/2 + 1/2; best: 2/3 and 1/2.
    [TestCase(GroupScoring.SumOfTwoBest, 2, 0.5, 0)]
    [TestCase(GroupScoring.Best, 1, 2.0 / 3, 0.25)]
    public void A_group_may_be_as_good_as_its_best(GroupScoring scoring, int chosen, double gate, double margin)
    {
        double[] gates = new double[4];
        gates[chosen] = gate;
        AssertRoute(
            new MixtureSpec(4, 1) { Scoring = RouterScoring.Sigmoid, Renormalize = false, Groups = 2, TopGroups = 1, GroupScoring = scoring },
            [-Ln3, Ln2, 0, 0], null, gates, [chosen], margin);
    }

    // √softplus of ln(e⁴ − 1), ln(e − 1) and ln(e^¼ − 1) is 2, 1 and ½.
    [Test]
    public void Roots_of_softplus_are_divided_by_their_sum_and_what_is_added() => AssertRoute(
        new MixtureSpec(3, 2) { Scoring = RouterScoring.SqrtSoftplus, RenormalizeEpsilon = 1 },
        [Math.Log(Math.Exp(4) - 1), Math.Log(Math.E - 1), Math.Log(Math.Exp(0.25) - 1)],
        null, [0.5, 0.25, 0], [0, 1], margin: 0.25);

    [Test]
    public void A_sum_is_not_less_than_the_smallest() =>
        AssertRoute(new MixtureSpec(4, 1) { SmallestSum = 0.5f }, [0, 0, 0, 0], null, [0.5, 0, 0, 0], [0], margin: 0);

    [Test]
    public void Logits_are_kept_within_the_softcap() => AssertRoute(
        new MixtureSpec(2, 1) { Renormalize = false, LogitSoftcap = 1 }, [0, 1000], null, [0, Math.E / (1 + Math.E)], [1], margin: 1 - (1 / Math.E));

    // 0.99 is within 2 % of 1, and 0.5 is not; then 0.99 is alone.
    [Test]
    public void A_sparse_mixer_weighs_among_those_that_are_about_as_good() => AssertRoute(
        new MixtureSpec(3, 2) { Scoring = RouterScoring.SparseMixer, Renormalize = false },
        [0.5, 1, 0.99], null, [0, 1 / (1 + Math.Exp(-0.01)), 1], [1, 2], margin: null);

    [Test]
    public void All_experts_are_chosen_where_k_is_their_number() =>
        AssertRoute(new MixtureSpec(3, 3), [0, Ln3, Ln2], null, [1.0 / 6, 0.5, 1.0 / 3], [1, 2, 0], margin: double.PositiveInfinity);

    private static void AssertRoute(MixtureSpec mixture, double[] logits, double[]? bias, double[] gates, int[] chosen, double? margin)
    {
        ReferenceRoute route = ReferenceRouter.Route(mixture, logits, bias);
        Float64Route command = Float64Router.Route(mixture, logits, Array.ConvertAll(bias ?? [], static b => (float)b));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(route.Gates, Is.EqualTo(gates).Within(1e-14));
            Assert.That(route.Chosen, Is.EqualTo(chosen));
            Assert.That(command.Experts, Is.EqualTo(chosen), "the command's reference");
            Assert.That(command.Weights, Is.EqualTo(chosen.Select(expert => gates[expert])).Within(1e-14), "the command's reference");
            if (margin is double.PositiveInfinity)
            {
                Assert.That((route.Margin, command.Margin), Is.EqualTo((margin, margin)));
            }
            else if (margin is not null)
            {
                Assert.That(route.Margin, Is.EqualTo(margin).Within(1e-14));
                Assert.That(command.Margin, Is.EqualTo(margin).Within(1e-14));
            }
        }
    }
}
