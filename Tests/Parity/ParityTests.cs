using NativeFfn.Backends.CuBlas;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Parity;

/// <summary>Every kind of layer, mode and norm gives the oracle's numbers, with rows packed and apart, on one thread and several.</summary>
public class ParityTests : BackendTests
{
    private static readonly ParityCase[] Kinds = [.. ParityCases.OfKinds()];
    private static readonly ParityCase[] Norms = [.. ParityCases.OfNorms()];
    private static readonly ParityCase[] Edges = [.. ParityCases.OfEdges()];
    private static readonly ParityCase[] Stacks = [.. ParityCases.OfStacks()];
    private static readonly ParityCase[] Mixtures = [.. MixtureCases.All()];
    private static readonly ParityCase[] Formulas = [.. FormulaCases.Every()];

    public ParityTests(BackendKind backend)
        : base(backend)
    {
    }

    [TestCaseSource(nameof(Kinds))]
    public void Every_kind_is_its_formula(ParityCase layer) => Compare(layer);

    [TestCaseSource(nameof(Norms))]
    public void Every_norm_is_its_formula(ParityCase layer) => Compare(layer);

    [TestCaseSource(nameof(Edges))]
    public void Smallest_layers_and_no_tokens_work(ParityCase layer) => Compare(layer);

    [TestCaseSource(nameof(Stacks))]
    public void Stacks_of_any_depth_are_their_formula(ParityCase layer) => Compare(layer);

    [TestCaseSource(nameof(Mixtures))]
    public void Mixtures_of_any_routing_are_their_formula(ParityCase layer) => Compare(layer);

    [TestCaseSource(nameof(Formulas))]
    public void Every_part_of_a_formula_is_computed_or_refused_by_name(ParityCase layer)
    {
        if (Backend == BackendKind.CuBlas && DeviceFormula.WhyNot(layer.Spec) is { } reason)
        {
            Assert.That(reason, Does.Contain("a GPU computes no ").And.Contain("Use mkl or managed."));
            Assert.That(() => Engine(1).CreateLayer(layer.Spec, layer.Weights), Throws.TypeOf<NotSupportedException>().With.Message.Contains(reason));
            return;
        }

        Compare(layer);
    }

    private void Compare(ParityCase layer)
    {
        foreach (int threads in ThreadCounts)
        {
            ParityCheck.Compare(layer, Engine(threads));
        }
    }
}

/// <summary>The same layers with their matrices rounded, one test for all of a sort; the oracle gets the weights as a precision holds them.</summary>
public class RoundedParityTests : PrecisionTests
{
    private static readonly Dictionary<string, ParityCase[]> Sorts = new()
    {
        ["kinds"] = [.. ParityCases.OfKinds()],
        ["norms"] = [.. ParityCases.OfNorms()],
        ["edges"] = [.. ParityCases.OfEdges()],
        ["stacks"] = [.. ParityCases.OfStacks()],
        ["mixtures"] = [.. MixtureCases.All()],
        ["formulas"] = [.. FormulaCases.Every()],
    };

    public RoundedParityTests(BackendKind backend, FfnPrecision precision)
        : base(backend, precision)
    {
    }

    [Test]
    public void Layers_are_their_formula([Values("kinds", "norms", "edges", "stacks", "mixtures", "formulas")] string sort, [Values(1, 3)] int threads)
    {
        foreach (ParityCase layer in Sorts[sort].Where(layer => Backend != BackendKind.CuBlas || DeviceFormula.WhyNot(layer.Spec) is null))
        {
            ParityCheck.Compare(layer, Engine(threads));
        }
    }
}
