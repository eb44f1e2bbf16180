using System.Text;
using NativeFfn.Hosting;

namespace NativeFfn.Server.Explorer;

/// <summary>
/// C# that computes what the page shows: of a sample whole, of a checkpoint with its path left open, which clients are not told.
/// </summary>
internal static class ForwardCode
{
    /// <summary>The text of a program, without what it does with its numbers.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="mode">What is computed.</param>
    /// <param name="request">Whose rows are drawn or given.</param>
    /// <param name="tokens">Rows.</param>
    public static string Of(FfnLayerInfo layer, FfnMode mode, ComputeRequest request, int tokens)
    {
        var code = new StringBuilder();
        SampleModel? sample = SampleModels.Of(layer);
        code.Append("using NativeFfn;\n");
        code.Append(sample is null ? "using NativeFfn.Checkpoints;\n\n" : "\n");
        code.Append("using FfnEngine engine = FfnEngine.Create();\n");
        code.Append(sample is null ? OfCheckpoint(layer) : OfSample(sample));
        code.Append('\n');
        code.Append(request.Random is { } random ? OfDrawnRows(tokens, random.Seed) : OfGivenRows(tokens));
        code.Append("float[] y = new float[Tokens * layer.Spec.OutputWidth];\n");
        code.Append(mode switch
        {
            FfnMode.Residual => "layer.ForwardResidual(x, residual: x, y);   // y = x + FFN(x)\n",
            FfnMode.Block => "layer.ForwardBlock(x, y);   // y = x + FFN(norm(x)), or as the layer's family has it\n",
            _ => "layer.Forward(x, y);   // y = FFN(x)\n",
        });
        code.Append("\n// The same once more, with the inner values that this page shows.\n");
        code.Append("var trace = new FfnTrace(layer.Spec, Tokens);\n");
        code.Append($"layer.Inspect(FfnMode.{mode}, x, y, trace);\n");
        return code.ToString();
    }

    private static string OfSample(SampleModel sample) =>
        $"FfnSpec spec = {sample.Code.ReplaceLineEndings("\n")};\n" +
        $"using FfnLayer layer = engine.CreateLayer(spec, new XavierWeights(spec, seed: {sample.Seed}));\n";

    private static string OfCheckpoint(FfnLayerInfo layer) =>
        $"using FfnCheckpoint checkpoint = FfnCheckpoint.Open(args[0]);   // the folder of '{layer.Model}'\n" +
        $"using FfnLayer layer = engine.LoadLayer(checkpoint, {layer.Index});\n";

    private static string OfDrawnRows(int tokens, int seed) =>
        $$"""
        const int Tokens = {{tokens}};
        var random = new Random({{seed}});
        float[] x = new float[Tokens * layer.Spec.InputWidth];   // row-major [tokens, d_model]
        for (int i = 0; i < x.Length; i++)
        {
            x[i] = (2f * random.NextSingle()) - 1f;
        }


        """.ReplaceLineEndings("\n");

    private static string OfGivenRows(int tokens) =>
        $"const int Tokens = {tokens};\n" +
        "float[] x = new float[Tokens * layer.Spec.InputWidth];   // your rows, row-major [tokens, d_model]\n\n";
}
