using System.Globalization;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Samples;

/// <summary>What the sample 01-first-layer prints, wherever it was built.</summary>
internal static class FirstLayer
{
    private const int Layer = 0;

    /// <summary>A checkpoint for it.</summary>
    public static GoldenCase Checkpoint => GoldenCases.Find("llama");

    /// <summary>Fails unless the numbers that it printed are those of the checkpoint's first layer.</summary>
    public static void AssertPrinted(string output)
    {
        GoldenCase golden = Checkpoint;
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, golden.DModel, golden.DFf);
        var weights = new FfnMemoryWeights(spec);
        foreach (string name in new[] { "gate", "up", "down" })
        {
            weights.Set($"{name}.weight", golden.ReadWeight($"model.layers.{Layer}.mlp.{name}_proj.weight"));
        }

        float[] token = [.. Enumerable.Range(0, spec.DModel).Select(static i => MathF.Sin(i))];
        Estimate expected = Oracle.Run(spec, weights, FfnMode.Residual, token).Output;
        float[] printed = [.. output.Trim().Split('\n')[^1].Split("starts with ")[1].Split(", ")
            .Select(static number => float.Parse(number, CultureInfo.InvariantCulture))];
        Assert.That(printed, Has.Length.EqualTo(4));
        Tolerances.AssertClose(printed, expected.Prefix(printed.Length), Tolerances.Of(spec), "x + FFN(x)");
    }
}
