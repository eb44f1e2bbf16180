using System.CommandLine;
using System.Globalization;
using NativeFfn.Backends.Cpu;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Reference;
using NativeFfn.Bench.Reporting;
using NativeFfn.Bench.Subjects;
using NativeFfn.Cli;
using NativeFfn.Cli.Options;
using NativeFfn.Cli.Verification;
using Spectre.Console;

namespace NativeFfn.Bench.Errors;

/// <summary><c>errors</c>: what each precision loses, on Gaussian weights and rows and on such with outliers.</summary>
internal static class ErrorsCommand
{
    private const int Tokens = 16;

    // One weight in so many, wherever it falls, and one column of the rows, the same in every row, as in trained models (Dettmers et al. 2022,
    // LLM.int8). Primes, so that they meet groups of 32 in every place.
    private const int WeightsToAnOutlier = 1009;
    private const int ColumnsToAnOutlier = 97;
    private const float OutlierFactor = 100;

    private static readonly LayerShape DefaultShape = new(1024, 2816);

    public static Command Create(TextWriter stdout)
    {
        Option<LayerShape?> shape = CommonOptions.Shape($"d_model and d_ff; {DefaultShape} if left out.");
        var command = new Command("errors", "What each precision loses, on Gaussian weights and rows and on such with outliers.") { shape };
        command.SetAction(parsed => Run(parsed.GetValue(shape) ?? DefaultShape, stdout));
        return command;
    }

    private static void Run(LayerShape shape, TextWriter stdout)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, shape.DModel, shape.DFf);
        using var gaussian = new LayerWeights(spec);
        var uneven = new ChangedWeights(gaussian, static (row, first) => Multiply(row, WeightsToAnOutlier - 1 - (int)(first % WeightsToAnOutlier), WeightsToAnOutlier));
        float[] rows = RandomRows.Create(Tokens, spec.InputWidth, seed: 1);
        float[] spiked = [.. rows];
        for (int token = 0; token < Tokens; token++)
        {
            Multiply(spiked.AsSpan(token * spec.InputWidth, spec.InputWidth), ColumnsToAnOutlier / 2, ColumnsToAnOutlier);
        }

        Case[] cases =
        [
            new("Gaussian", spec, gaussian, rows), new("outliers in rows", spec, gaussian, spiked),
            new("in weights", spec, uneven, rows), new("in both", spec, uneven, spiked),
        ];
        Table table = Markdown.Table(["subject", "weights", "weights with outliers", .. cases.Select(static given => given.Name)]);
        foreach (FfnPrecision precision in CpuBackend.Precisions.Except([FfnPrecision.Auto, FfnPrecision.Stored]))
        {
            Add(Names<FfnPrecision>.Of(precision), precision, static weights => weights);
        }

        Add("int4, plain rounding", FfnPrecision.Float32, static weights => new ChangedWeights(weights, static (row, _) => RoundPlainly(row)));
        stdout.WriteLine($"{spec}, {Tokens} tokens: relative L2 error of the weights, and of the results against float64");
        stdout.WriteLine();
        stdout.WriteLine(Markdown.Of(table));

        void Add(string name, FfnPrecision precision, Func<IFfnWeightSource, IFfnWeightSource> change)
        {
            (double Weights, double Result)[] errors = Array.ConvertAll(cases, given => given.Errors(precision, change));
            table.AddRow([name, .. new[] { errors[0].Weights, errors[2].Weights }.Concat(errors.Select(static error => error.Result)).Select(
                static error => error.ToString("0.0e-0", CultureInfo.InvariantCulture))]);
        }
    }

    private static void Multiply(Span<float> values, int first, int step)
    {
        for (int i = first; i < values.Length; i += step)
        {
            values[i] *= OutlierFactor;
        }
    }

    // As convert tells it beside its own choice.
    private static void RoundPlainly(Span<float> row)
    {
        Span<sbyte> codes = stackalloc sbyte[GroupQuantizer.Group];
        for (; !row.IsEmpty; row = row[Math.Min(GroupQuantizer.Group, row.Length)..])
        {
            Span<float> group = row[..Math.Min(GroupQuantizer.Group, row.Length)];
            float scale = BFloat16Encoding.Widen(GroupQuantizer.Quantize(group, Int4Encoding.Largest, codes, plain: true));
            for (int i = 0; i < group.Length; i++)
            {
                group[i] = scale * codes[i];
            }
        }
    }

    /// <summary>Weights and rows, and what float64 makes of them.</summary>
    private sealed class Case(string name, FfnSpec spec, IFfnWeightSource weights, float[] rows)
    {
        private readonly double[] _expected = new Float64Forward(spec, weights).Network(Array.ConvertAll(rows, static value => (double)value));

        public string Name => name;

        public (double Weights, double Result) Errors(FfnPrecision precision, Func<IFfnWeightSource, IFfnWeightSource> change)
        {
            IFfnWeightSource changed = change(weights);
            using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed, Precision = precision });
            using FfnLayer layer = engine.CreateLayer(spec, changed);
            float[] output = new float[_expected.Length];
            layer.Forward(rows, output);
            return (layer.QuantizationError + (changed == weights ? 0 : Distance(changed)), Comparison.Of(output, _expected).RelativeL2);
        }

        // Of the matrix that loses most, as the engine tells it.
        private double Distance(IFfnWeightSource changed) => spec.Tensors.Max(tensor =>
        {
            float[] whole = new float[tensor.ElementCount];
            float[] other = new float[tensor.ElementCount];
            weights.ReadRows(tensor, 0, whole);
            changed.ReadRows(tensor, 0, other);
            return Comparison.Of(other, Array.ConvertAll(whole, static value => (double)value)).RelativeL2;
        });
    }
}
