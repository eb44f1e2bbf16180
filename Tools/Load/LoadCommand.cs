using System.CommandLine;
using System.Globalization;
using NativeFfn.Cli.Options;

namespace NativeFfn.Load;

/// <summary>The options of <c>build/load.sh</c>.</summary>
internal static class LoadCommand
{
    private const int MaxSeconds = 3600;
    private const int MaxClients = 4096;
    private const int MaxTokens = 4096;
    private const double MaxFactor = 100;

    /// <summary>Makes the command.</summary>
    /// <param name="run">Does it and gives the exit code.</param>
    public static RootCommand Create(Func<LoadPlan, Task<int>> run)
    {
        Option<LayerShape?> shape = OptionFactory.Word<LayerShape?>(
            "--shape", "DxF", "d_model and d_ff of a SwiGLU layer.", "d_model x d_ff, both positive, such as 2048x5632",
            LayerShape.TryParse);
        shape.DefaultValueFactory = static _ => new LayerShape(2048, 5632);
        Option<int> seconds = OptionFactory.Integer("--seconds", "S", "Length of a measurement.", 1, MaxSeconds, 30);
        Option<int> clients = OptionFactory.Integer("--clients", "C", "Clients that send one request after the other.", 1, MaxClients, 64);
        Option<int> tokens = OptionFactory.Integer("--tokens", "N", "Tokens of every request; 1 to 8 at random if left out.", 1, MaxTokens);
        Option<int> batch = OptionFactory.Integer("--batch-tokens", "N", "The server's MaxBatchTokens.", 1, MaxTokens, 64);
        Option<int> queue = OptionFactory.Integer("--queue-tokens", "N", "The server's QueueCapacityTokens.", 1, 1 << 20, 1024);
        Option<BackendKind> backend = OptionFactory.Word<BackendKind>(
            "--backend", string.Join('|', Names<BackendKind>.All), "What computes.", "one of " + string.Join(", ", Names<BackendKind>.All),
            Names<BackendKind>.TryParse);
        Option<FfnPrecision> precision = OptionFactory.Word<FfnPrecision>(
            "--precision",
            string.Join('|', Names<FfnPrecision>.All),
            "How the weights are kept.",
            "one of " + string.Join(", ", Names<FfnPrecision>.All),
            Names<FfnPrecision>.TryParse);
        precision.DefaultValueFactory = static _ => FfnPrecision.BFloat16;
        var compare = new Option<bool>("--compare") { Description = "The same load without batching as well." };
        Option<double> overload = Factor();
        var fairness = new Option<bool>("--fairness")
        {
            Description = "Also two layers, of which one is flooded, and deadlines that pass behind a long forward.",
        };
        Option<int> soak = OptionFactory.Integer("--soak", "S", "Also watch memory, handles and threads so long.", 1, MaxSeconds);
        var faults = new Option<bool>("--faults")
        {
            Description = "Also send faults between good requests and in a soak, delete the model, and stop under load.",
        };
        // Set by build/load.sh.
        Option<string> command = OptionFactory.Text("--command", "DLL", "The built command.", required: true);
        command.Hidden = true;
        Option<string?> launcher = new("--launcher")
        {
            Description = "What starts the server on ranks, such as 'mpirun -n 2 --bind-to none', with '-- --NativeFfn:Parallel=auto'.",
        };
        Option<string> folder = OptionFactory.Text("--folder", "DIR", "Where the checkpoint is made.", required: true);
        var rest = new Argument<string[]>("KEY=VALUE")
        {
            Description = "Further keys for the server, as --NativeFfn:Threads=2, after '--'.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var root = new RootCommand("Puts load on a server of its own, checks every answer, and measures.")
        {
            shape, seconds, clients, tokens, batch, queue, backend, precision, compare, overload, fairness, soak, faults, launcher, command,
            folder, rest,
        };
        root.SetAction(parsed => run(new LoadPlan
        {
            Shape = parsed.GetValue(shape)!,
            Seconds = parsed.GetValue(seconds),
            Clients = parsed.GetValue(clients),
            Tokens = parsed.GetValue(tokens) is > 0 and var given ? given : 8,
            FixedTokens = parsed.GetValue(tokens) > 0,
            BatchTokens = parsed.GetValue(batch),
            QueueTokens = parsed.GetValue(queue),
            Backend = parsed.GetValue(backend),
            Precision = parsed.GetValue(precision),
            Compare = parsed.GetValue(compare),
            Overload = parsed.GetValue(overload),
            Fairness = parsed.GetValue(fairness),
            Soak = parsed.GetValue(soak),
            Faults = parsed.GetValue(faults),
            Launcher = parsed.GetValue(launcher)?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [],
            Command = parsed.GetRequiredValue(command),
            Folder = parsed.GetRequiredValue(folder),
            ServerArguments = parsed.GetValue(rest) ?? [],
        }));
        return root;
    }

    private static Option<double> Factor() => OptionFactory.Word(
        "--overload",
        "X",
        "Also offer so many times the sustainable load.",
        $"a number above 1, at most {MaxFactor}",
        (string word, out double value) =>
            double.TryParse(word, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value) && value > 1
                && value <= MaxFactor);
}
