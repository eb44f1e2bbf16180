using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Parity;

/// <summary>Holds an engine's layer against the oracle, with rows packed and apart.</summary>
internal static class ParityCheck
{
    public static void Compare(ParityCase layer, FfnEngine engine)
    {
        double tolerance = Tolerances.Of(layer.Spec, engine.Precision);
        string what = $"{layer} in {engine.Precision}, {engine.Backend.Threads} threads";
        Estimate expected = layer.ExpectedIn(engine.Precision).Output;
        using FfnLayer made = engine.CreateLayer(layer.Spec, layer.Weights);
        float[] output = EngineTests.Forward(made, layer.Mode, layer.Input(), layer.Residual());
        Tolerances.AssertClose(output, expected, tolerance, $"{what}, packed rows");
        CompareStrided(layer, made, expected, tolerance, $"{what}, rows apart");
    }

    private static void CompareStrided(ParityCase layer, FfnLayer made, Estimate expected, double tolerance, string what)
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

        Tolerances.AssertClose(output.Contiguous(), expected, tolerance, what);
        output.AssertGapsUntouched(what);
    }
}
