using NUnit.Framework;

namespace NativeFfn.Tests.Mixtures;

/// <summary>Shapes, counts and limits of a mixture's description; no backend is needed.</summary>
[TestFixture]
public sealed class MixtureSpecTests
{
    private static readonly FfnSpec Network = FfnSpec.Create(FfnKind.SwiGlu, 3, 4);

    [Test]
    public void A_mixture_has_a_router_experts_and_what_is_shared()
    {
        FfnSpec spec = Network.WithNorms(new NormSpec(NormKind.Rms, 1e-5f))
            .WithExperts(new MixtureSpec(2, 1) { HasSelectionBias = true, SharedDFf = 5, HasSharedGate = true });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(spec.Tensors.Select(static tensor => $"{tensor.Name} {tensor.Shape} {tensor.Expert}"), Is.EqualTo(new[]
            {
                "router.weight [2, 3] -1", "router.selection_bias [2] -1",
                "experts.0.gate.weight [4, 3] 0", "experts.0.up.weight [4, 3] 0", "experts.0.down.weight [3, 4] 0",
                "experts.1.gate.weight [4, 3] 1", "experts.1.up.weight [4, 3] 1", "experts.1.down.weight [3, 4] 1",
                "shared_gate.weight [3] -1",
                "shared.gate.weight [5, 3] -2", "shared.up.weight [5, 3] -2", "shared.down.weight [3, 5] -2",
                "pre_norm.weight [3] -1",
            }));
            Assert.That(spec.ParameterCount, Is.EqualTo(6 + 2 + (2 * 36) + 3 + 45 + 3));
            Assert.That(spec.FlopsPerToken, Is.EqualTo(2 * (36 + 45 + 6)), "of the one expert that is chosen");
            Assert.That(spec.ExpertSpec(1)!.Tensors.Select(static tensor => tensor.Name), Is.EqualTo(new[] { "gate.weight", "up.weight", "down.weight" }));
            Assert.That(spec.ExpertSpec(FfnTensor.SharedExpert)!.DFf, Is.EqualTo(5));
            Assert.That(Network.WithExperts(new MixtureSpec(2, 1)).ExpertSpec(FfnTensor.SharedExpert), Is.Null);
            Assert.That(spec.ToString(), Is.EqualTo("swiglu 3x4 (2 experts, top 1, shared 5)"));
        }
    }

    [Test]
    public void A_router_and_a_sum_may_have_biases_and_a_shared_expert_has_those_of_the_experts()
    {
        FfnSpec stages = FfnSpec.Stack(new FfnStage(FfnKind.Relu, 3, 4, true), new FfnStage(FfnKind.Linear, 4, 3, false));
        FfnSpec spec = stages.WithBlockForm(new() { HasBranchScale = true }).WithExperts(
            new MixtureSpec(1, 1) { HasRouterBias = true, HasOutputBias = true, SharedDFf = 2 });
        Assert.That(spec.Tensors.Select(static tensor => $"{tensor.Name} {tensor.Shape}"), Is.EqualTo(new[]
        {
            "router.weight [1, 3]", "router.bias [1]", "experts.0.up.weight [4, 3]", "experts.0.up.bias [4]", "experts.0.down.weight [3, 4]",
            "mixture.bias [3]", "shared.up.weight [2, 3]", "shared.up.bias [2]", "shared.down.weight [3, 2]", "branch_scale [3]",
        }));
    }

    [Test]
    public void A_trace_has_room_for_the_routing()
    {
        var trace = new FfnTrace(Network.WithExperts(new MixtureSpec(4, 3)), 5);
        Assert.That((trace.Routing!.Experts.Length, trace.Routing.Weights.Length, trace.HiddenStages.Length), Is.EqualTo((15, 15, 0)));
    }

    private static IEnumerable<TestCaseData> Contradictions()
    {
        yield return new TestCaseData(new MixtureSpec(0, 1), "1 to 4096 experts; 0");
        yield return new TestCaseData(new MixtureSpec(4097, 1), "1 to 4096 experts; 4097");
        yield return new TestCaseData(new MixtureSpec(4, 0), "top-k is 0");
        yield return new TestCaseData(new MixtureSpec(4, 5), "A token goes to 1 to 4 experts of 4; top-k is 5");
        yield return new TestCaseData(new MixtureSpec(4, 1) { Scoring = (RouterScoring)7 }, "no router scoring 7");
        yield return new TestCaseData(new MixtureSpec(4, 1) { Groups = 3 }, "4 experts cannot be cut into 3 groups");
        yield return new TestCaseData(new MixtureSpec(4, 1) { Groups = 0 }, "into 0 groups");
        yield return new TestCaseData(new MixtureSpec(4, 1) { Groups = 4 }, "but one each");
        yield return new TestCaseData(new MixtureSpec(4, 1) { Groups = 2, TopGroups = 3 }, "top groups is 3");
        yield return new TestCaseData(new MixtureSpec(4, 3) { Groups = 2, TopGroups = 1 }, "1 of 2 groups have 2 of 4 experts; top-k is 3");
        yield return new TestCaseData(new MixtureSpec(4, 1) { Scaling = float.NaN }, "must be finite; it is NaN");
        yield return new TestCaseData(new MixtureSpec(4, 1) { GroupScoring = (GroupScoring)5 }, "no group scoring 5");
        yield return new TestCaseData(new MixtureSpec(4, 1) { SharedFactor = float.NaN }, "shared expert must be finite; it is NaN");
        yield return new TestCaseData(new MixtureSpec(4, 1) { LogitSoftcap = -1 }, "softcap of logits must be finite and not negative; it is -1");
        yield return new TestCaseData(new MixtureSpec(4, 1) { Jitter = -1 }, "jitter");
        yield return new TestCaseData(new MixtureSpec(4, 1) { RenormalizeEpsilon = float.PositiveInfinity }, "added to a sum");
        yield return new TestCaseData(new MixtureSpec(4, 1) { SmallestSum = -1 }, "smallest sum");
        yield return new TestCaseData(new MixtureSpec(4, 1) { Scoring = RouterScoring.SparseMixer, HasSelectionBias = true }, "by logits alone");
        yield return new TestCaseData(new MixtureSpec(4, 1) { Scoring = RouterScoring.SparseMixer, Groups = 2 }, "by logits alone");
        yield return new TestCaseData(new MixtureSpec(4, 1) { SharedDFf = -1 }, "d_ff is -1");
        yield return new TestCaseData(new MixtureSpec(4, 1) { HasSharedGate = true }, "but no shared expert");
        yield return new TestCaseData(new MixtureSpec(4, 1) { SharedDFf = int.MaxValue }, "2147483647 x 3");
    }

    [TestCaseSource(nameof(Contradictions))]
    public void A_mixture_that_contradicts_itself_is_refused(MixtureSpec mixture, string problem) =>
        Assert.That(() => Network.WithExperts(mixture), Throws.ArgumentException.With.Message.Contains(problem));

    [Test]
    public void Experts_are_single_networks()
    {
        var norm = new NormSpec(NormKind.Rms, 1e-5f);
        var mixture = new MixtureSpec(2, 1);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => Network.WithExperts(mixture).WithExperts(mixture), Throws.ArgumentException);
            Assert.That(() => Network.WithInnerNorm(norm).WithExperts(mixture), Throws.ArgumentException.With.Message.Contains("inner norm"));
            Assert.That(() => Network.WithExperts(mixture).WithInnerNorm(norm), Throws.ArgumentException.With.Message.Contains("no mixture"));
            Assert.That(() => FfnSpec.Stack(new FfnStage(FfnKind.Relu, 2, 2, false)).WithExperts(mixture), Throws.ArgumentException);
            Assert.That(() => Network.ExpertSpec(0), Throws.InvalidOperationException);
        }
    }

    [Test]
    public void Spans_of_one_network_are_no_mixture()
    {
        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed, Threads = 1 });
        FfnSpec spec = Network.WithExperts(new MixtureSpec(2, 1));
        Assert.That(
            () => engine.CreateLayer(spec, new FfnWeights { Gate = new float[12], Up = new float[12], Down = new float[12] }),
            Throws.ArgumentException.With.Message.Contains("no single transformer network").And.Message.Contains("FfnMemoryWeights"));
    }
}
