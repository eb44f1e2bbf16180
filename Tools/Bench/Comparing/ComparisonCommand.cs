using System.Collections.Immutable;
using System.CommandLine;
using NativeFfn.Bench.Subjects;
using NativeFfn.Cli.Options;

namespace NativeFfn.Bench.Comparing;

/// <summary>The command line of the comparison, which is the tool's own where no subcommand is named.</summary>
internal static class ComparisonCommand
{
    private const int MaxTokens = 1 << 16;
    private const double DefaultSeconds = 6;
    private const int MaxCallers = 256;

    private static readonly LayerShape DefaultShape = new(2048, 5632);
    private static readonly ImmutableArray<int> DefaultTokens = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
    private static readonly ImmutableArray<int> AllTokens = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512];

    /// <summary>The root command.</summary>
    /// <param name="run">Does what the plan says.</param>
    public static RootCommand Create(Action<ComparisonPlan> run)
    {
        Option<ImmutableArray<LayerShape>> shapes = Shapes();
        Option<int> experts = CommonOptions.Experts();
        Option<int> topK = CommonOptions.TopK();
        Option<ImmutableArray<int>> tokens = BenchOptions.Tokens(DefaultTokens, MaxTokens, AllTokens);
        Option<int> threads = OptionFactory.Integer(
            "--threads", "N", "Threads of one forward.", 1, FfnEngineOptions.MaxThreads, Math.Min(Environment.ProcessorCount, FfnEngineOptions.MaxThreads));
        Option<double> seconds = BenchOptions.Seconds(
            "Time for each token count, all subjects together; five rounds are run in any case.", DefaultSeconds);
        string names = string.Join(", ", SubjectCatalog.Names);
        string sets = string.Join(", ", SubjectCatalog.Sets);
        Option<ImmutableArray<string>> subjects = OptionFactory.List<string>(
            "--subjects",
            $"Subjects ({names}) and sets of them ({sets}), of which what is available is measured; "
                + $"{string.Join(", ", SubjectCatalog.DefaultNames)} if left out.",
            $"one or several of {names}, {sets} with commas between them",
            static (string word, out string name) => SubjectCatalog.Names.Contains(name = word) || SubjectCatalog.Sets.Contains(word));
        Option<bool> resident = BenchOptions.Resident();
        Option<bool> unpinned = new("--unpinned")
        {
            Description = "Let threads run where the system puts them; else each subject has one on each of the same processors.",
        };
        Option<int> callers = OptionFactory.Integer(
            "--callers", "N", "Also show a server's view of NativeFfn: N callers at a time with one thread each; left out if not given.", 1, MaxCallers);
        Option<string> json = OptionFactory.Text("--json", "FILE", "Write the results as JSON.");
        Option<string> plot = OptionFactory.Text("--plot", "FILE.png", "Draw times and errors over tokens; with several shapes, each one's name is added to the file's.");
        var root = new RootCommand(
            "NativeFfn beside ONNX Runtime, ggml, oneDNN and plain sgemm of MKL and OpenBLAS: the whole SwiGLU layer with its residual, "
            + "in turns.")
        {
            shapes, experts, topK, tokens, threads, seconds, subjects, resident, unpinned, callers, json, plot,
        };
        root.HelpName = "build/bench.sh";
        root.Directives.Clear();
        root.SetAction(parsed => run(new ComparisonPlan(
            parsed.GetValue(shapes).OrDefault([DefaultShape]),
            CommonOptions.Mixture(parsed.GetValue(experts), parsed.GetValue(topK)),
            parsed.GetValue(tokens).OrDefault(DefaultTokens),
            parsed.GetValue(threads),
            parsed.GetValue(seconds),
            parsed.GetValue(subjects).OrDefault([]),
            parsed.GetValue(resident),
            parsed.GetValue(unpinned),
            parsed.GetValue(callers),
            parsed.GetValue(json),
            parsed.GetValue(plot))));
        return root;
    }

    private static Option<ImmutableArray<LayerShape>> Shapes() => new("--shape")
    {
        Description = $"d_model and d_ff; {DefaultShape} if left out. Give it again for further layers.",
        HelpName = "D_MODELxD_FF",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = static result =>
        {
            var shapes = ImmutableArray.CreateBuilder<LayerShape>();
            foreach (string word in result.Tokens.Select(static token => token.Value))
            {
                if (!LayerShape.TryParse(word, out LayerShape? shape))
                {
                    result.AddError($"--shape is '{word}', but must be d_model and d_ff, such as {DefaultShape}.");
                    return default;
                }

                shapes.Add(shape);
            }

            return shapes.ToImmutable();
        },
    };
}
