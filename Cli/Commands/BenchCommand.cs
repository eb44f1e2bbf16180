using System.Collections.Immutable;
using System.CommandLine;
using NativeFfn.Cli.Benchmarking;
using NativeFfn.Cli.Files;
using NativeFfn.Cli.Options;

namespace NativeFfn.Cli.Commands;

/// <summary><c>bench</c>: times backends on a layer with random weights.</summary>
internal static class BenchCommand
{
    // The JSON goes to standard output instead of the table.
    private const string StandardOutput = "-";

    private static readonly LayerShape DefaultShape = new(2048, 5632);
    private static readonly ImmutableArray<int> DefaultTokens = [1, 4, 16, 64];

    public static Command Create(Session session)
    {
        Option<LayerShape?> shape = CommonOptions.Shape($"d_model and d_ff; {DefaultShape} if left out.");
        Option<BenchPreset?> preset = BenchOptions.Preset();
        Option<int> experts = CommonOptions.Experts();
        Option<int> topK = CommonOptions.TopK();
        Option<FfnKind> kind = CommonOptions.Kind("The layer's kind; the preset's, or swiglu, if left out.");
        Option<ImmutableArray<int>> tokens = BenchOptions.Tokens(DefaultTokens);
        Option<ImmutableArray<BackendKind>> backend = BenchOptions.Backends();
        Option<double> seconds = BenchOptions.Seconds();
        Option<bool> resident = BenchOptions.Resident();
        Option<string> json = OptionFactory.Text("--json", "FILE", $"Write the rows as JSON; {StandardOutput} prints them instead of the table.");
        var command = new Command("bench", "Time the whole layer with its residual, on random weights.")
        {
            shape, preset, kind, experts, topK, tokens, backend, seconds, resident, json,
        };
        EngineOptionGroup engines = EngineOptionGroup.AddTo(command, severalPrecisions: true);
        command.SetAction(parsed =>
        {
            BenchPreset? chosen = parsed.GetValue(preset);
            LayerShape? size = parsed.GetValue(shape);
            if (chosen is not null && size is not null)
            {
                throw new UsageException("--shape and --preset both name a shape; give one of them.");
            }

            size ??= chosen?.Shape ?? DefaultShape;
            FfnKind layerKind = parsed.GetResult(kind) is null ? chosen?.Kind ?? FfnKind.SwiGlu : parsed.GetValue(kind);
            FfnSpec spec = FfnSpec.Create(layerKind, size.DModel, size.DFf, chosen?.Bias ?? false);
            if (CommonOptions.Mixture(parsed.GetValue(experts), parsed.GetValue(topK)) is { } mixture)
            {
                spec = spec.WithExperts(mixture);
            }

            return Run(
                session,
                new BenchPlan(
                    spec,
                    parsed.GetValue(tokens).OrDefault(DefaultTokens),
                    parsed.GetValue(backend).OrDefault([]),
                    engines.ReadEach(parsed),
                    parsed.GetValue(seconds),
                    parsed.GetValue(resident)),
                parsed.GetValue(json));
        });
        return command;
    }

    private static int Run(Session session, BenchPlan plan, string? json)
    {
        RandomRows.RequireRoom("--tokens", plan.Tokens.Max(), plan.Spec);
        if (json is not null and not StandardOutput)
        {
            OutputPath.Require("--json", json);
            json = OutputPath.IsStandardOutput(json) ? StandardOutput : json;
        }

        Terminal terminal = session.Terminal;
        ImmutableArray<BenchRow> rows = plan.Follows
            ? BenchRunner.Run(plan, static _ => { }, static _ => { })
            : BenchRunner.Run(plan, terminal.Progress, left => terminal.Error.WriteLine("not measured: " + left));
        terminal.Progress(string.Empty);
        if (plan.Follows)
        {
            return ExitCode.Done;
        }

        string text = CliJson.Write(rows, CliJson.Default.ImmutableArrayBenchRow);
        if (json == StandardOutput)
        {
            terminal.Out.WriteLine(text);
            return ExitCode.Done;
        }

        BenchText.Write(terminal, plan.Spec, rows);
        if (json is not null)
        {
            session.Interrupt.WhileWriting(json, () => AtomicFile.WriteText(json, text + Environment.NewLine));
        }

        return ExitCode.Done;
    }
}
