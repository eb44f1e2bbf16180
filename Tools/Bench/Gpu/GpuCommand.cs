using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using NativeFfn.Cli.Options;

namespace NativeFfn.Bench.Gpu;

/// <summary>The command line of <c>gpu</c>.</summary>
internal static class GpuCommand
{
    private const int MaxTokens = 1 << 16;

    private static readonly LayerShape DefaultShape = new(4096, 14336);
    private static readonly ImmutableArray<int> DefaultTokens = [1, 8, 64, 512, 4096];

    /// <summary>The command: it measures, and its one subcommand shows results.</summary>
    /// <param name="measure">Does what a plan says.</param>
    /// <param name="show">Shows the results in some files beside each other.</param>
    public static Command Create(Action<GpuPlan> measure, Action<ImmutableArray<string>> show)
    {
        Option<LayerShape?> shape = CommonOptions.Shape($"d_model and d_ff; {DefaultShape} if left out.");
        Option<ImmutableArray<int>> tokens = BenchOptions.Tokens(DefaultTokens, MaxTokens);
        string names = string.Join(", ", GpuPrecisions.Names);
        Option<ImmutableArray<FfnPrecision>> precisions = OptionFactory.List<FfnPrecision>(
            "--precision",
            $"Precisions ({names}) with commas between them; bf16 if left out.",
            $"one or several of {names} with commas between them",
            static (string word, out FfnPrecision precision) =>
                Names<FfnPrecision>.TryParse(word, out precision) && GpuPrecisions.All.Contains(precision));
        Option<double> seconds = BenchOptions.Seconds("Time for each number; two batches are run in any case.");
        var command = new Command("gpu", "The SwiGLU layer on a GPU, beside its memory, plain products of cuBLASLt and, by files, other programs.");
        Option<string> device = EngineOptionGroup.Of(nameof(FfnEngineOptions.Device));
        Option<string> path = EngineOptionGroup.Of(nameof(FfnEngineOptions.CudaPath));
        Option<bool> autotune = new("--autotune") { Description = "Let the layer time cuBLASLt's algorithms first, and use the fastest." };
        Option<string> json = OptionFactory.Text("--json", "FILE", "Write the results as JSON.");
        foreach (Option option in (Option[])[shape, tokens, precisions, seconds, device, path, autotune, json])
        {
            command.Add(option);
        }

        command.Add(Table(show));
        command.SetAction(parsed => measure(new GpuPlan
        {
            Shape = parsed.GetValue(shape) ?? DefaultShape,
            Tokens = parsed.GetValue(tokens).OrDefault(DefaultTokens),
            Precisions = parsed.GetValue(precisions).OrDefault([FfnPrecision.BFloat16]),
            Seconds = parsed.GetValue(seconds),
            Device = int.Parse(parsed.GetValue(device) ?? "0", CultureInfo.InvariantCulture),
            CudaPath = parsed.GetValue(path),
            Autotune = parsed.GetValue(autotune),
            Json = parsed.GetValue(json),
        }));
        return command;
    }

    private static Command Table(Action<ImmutableArray<string>> show)
    {
        var files = new Argument<string[]>("FILE") { Description = "Results as JSON, NativeFfn's first.", Arity = ArgumentArity.OneOrMore };
        var table = new Command("table", "Show results of several programs beside each other.") { files };
        table.SetAction(parsed => show([.. parsed.GetValue(files)!]));
        return table;
    }
}
