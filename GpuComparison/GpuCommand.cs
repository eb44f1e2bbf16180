using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using NativeFfn.Cli.Options;
using NativeFfn.GpuComparison.Measuring;

namespace NativeFfn.GpuComparison;

/// <summary>The command line.</summary>
internal static class GpuCommand
{
    private const int MaxTokens = 1 << 16;
    private const int MaxDevice = 1023;
    private const double DefaultSeconds = 1;
    private const double MaxSeconds = 600;

    private static readonly LayerShape DefaultShape = new(4096, 14336);
    private static readonly ImmutableArray<int> DefaultTokens = [1, 8, 64, 512, 4096];

    /// <summary>The command: it measures, and its one subcommand shows results.</summary>
    /// <param name="measure">Does what a plan says.</param>
    /// <param name="show">Shows the results in some files beside each other.</param>
    public static RootCommand Create(Action<GpuPlan> measure, Action<ImmutableArray<string>> show)
    {
        Option<LayerShape> shape = OptionFactory.Word<LayerShape>(
            "--shape", "D_MODELxD_FF", $"d_model and d_ff; {DefaultShape} if left out.", $"d_model and d_ff, such as {DefaultShape}",
            static (string word, out LayerShape value) => LayerShape.TryParse(word, out value!));
        shape.DefaultValueFactory = static _ => DefaultShape;
        Option<ImmutableArray<int>> tokens = OptionFactory.List<int>(
            "--tokens",
            $"Token counts; {string.Join(',', DefaultTokens)} if left out.",
            $"whole numbers from 1 to {MaxTokens} with commas between them, such as 1,8,64",
            static (string word, out int count) =>
                int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count is >= 1 and <= MaxTokens);
        string names = string.Join(", ", GpuPrecisions.Names);
        Option<ImmutableArray<FfnPrecision>> precisions = OptionFactory.List<FfnPrecision>(
            "--precision", $"Precisions ({names}) with commas between them; bf16 if left out.", $"one or several of {names} with commas between them",
            static (string word, out FfnPrecision precision) =>
                Names<FfnPrecision>.TryParse(word, out precision) && GpuPrecisions.All.Contains(precision));
        Option<double> seconds = OptionFactory.Word(
            "--seconds", "S", "Time for each number; two batches are run in any case.", $"a number above 0, at most {MaxSeconds}",
            static (string word, out double value) =>
                double.TryParse(word, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value) && value is > 0 and <= MaxSeconds);
        seconds.DefaultValueFactory = static _ => DefaultSeconds;
        Option<int> device = OptionFactory.Integer("--device", "N", "The GPU, by the number that CUDA gives it.", 0, MaxDevice, 0);
        Option<string> path = OptionFactory.Text("--cuda-path", "FOLDER", "Where cuBLASLt and NVRTC are; looked for if left out.");
        Option<bool> autotune = new("--autotune") { Description = "Let the layer time cuBLASLt's algorithms first, and use the fastest." };
        Option<string> json = OptionFactory.Text("--json", "FILE", "Write the results as JSON.");
        var root = new RootCommand("The SwiGLU layer on a GPU, beside its memory, plain products of cuBLASLt and, by files, other programs.")
        {
            shape, tokens, precisions, seconds, device, path, autotune, json, Table(show),
        };
        root.HelpName = "NativeFfn.GpuComparison";
        root.Directives.Clear();
        root.SetAction(parsed => measure(new GpuPlan
        {
            Shape = parsed.GetValue(shape)!,
            Tokens = OrDefault(parsed.GetValue(tokens), DefaultTokens),
            Precisions = OrDefault(parsed.GetValue(precisions), [FfnPrecision.BFloat16]),
            Seconds = parsed.GetValue(seconds),
            Device = parsed.GetValue(device),
            CudaPath = parsed.GetValue(path),
            Autotune = parsed.GetValue(autotune),
            Json = parsed.GetValue(json),
        }));
        return root;
    }

    private static Command Table(Action<ImmutableArray<string>> show)
    {
        var files = new Argument<string[]>("FILE") { Description = "Results as JSON, NativeFfn's first.", Arity = ArgumentArity.OneOrMore };
        var table = new Command("table", "Show results of several programs beside each other.") { files };
        table.SetAction(parsed => show([.. parsed.GetValue(files)!]));
        return table;
    }

    private static ImmutableArray<T> OrDefault<T>(ImmutableArray<T> given, ImmutableArray<T> byDefault) => given.IsDefault ? byDefault : given;
}
