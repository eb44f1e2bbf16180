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

    private void Compare(ParityCase layer)
    {
        double tolerance = Tolerances.Of(layer.Spec);
        foreach (int threads in ThreadCounts)
        {
            using FfnLayer made = Engine(threads).CreateLayer(layer.Spec, layer.Weights);
            float[] output = Forward(made, layer.Mode, layer.Input(), layer.Residual());
            Tolerances.AssertClose(output, layer.Expected.Output, tolerance, $"{threads} threads, packed rows");
            CompareStrided(layer, made, tolerance, $"{threads} threads, rows apart");
        }
    }

    private static void CompareStrided(ParityCase layer, FfnLayer made, double tolerance, string what)
    {
        FfnSpec spec = layer.Spec;
        var input = StridedRows.Of(layer.Input(), layer.Tokens, spec.InputWidth, gap: 3);
        var residual = StridedRows.Of(layer.Residual(), layer.Tokens, spec.OutputWidth, gap: 1);
        var output = new StridedRows(layer.Tokens, spec.OutputWidth, gap: 5);
        output.Rows.Fill(float.NaN);
        switch (layer.Mode)
        {
            case FfnMode.Ffn:
                made.Forward(input.Rows, output.Rows);
                break;
            case FfnMode.Residual:
                made.ForwardResidual(input.Rows, residual.Rows, output.Rows);
                break;
            default:
                made.ForwardBlock(input.Rows, output.Rows);
                break;
        }

        Tolerances.AssertClose(output.Contiguous(), layer.Expected.Output, tolerance, what);
        output.AssertGapsUntouched(what);
    }
}
