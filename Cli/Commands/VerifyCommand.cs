using System.Collections.Immutable;
using System.CommandLine;
using NativeFfn.Checkpoints;
using NativeFfn.Cli.Options;
using NativeFfn.Cli.Verification;
using Spectre.Console;

namespace NativeFfn.Cli.Commands;

/// <summary><c>verify</c>: holds every backend against a float64 reference on a layer of a checkpoint.</summary>
internal static class VerifyCommand
{
    private const int DefaultTokens = 4;

    // The reference is slow and single-threaded; more rows show nothing new.
    private const int MaxTokens = 4096;

    public static Command Create(Session session)
    {
        Option<string> model = CommonOptions.Model();
        Option<CheckpointTower?> tower = CommonOptions.Tower();
        Option<int> layer = CommonOptions.Layer();
        Option<int> tokens = OptionFactory.Integer("--tokens", "M", "Rows of random input.", 1, MaxTokens, DefaultTokens);
        Option<ImmutableArray<BackendKind>> required = CommonOptions.RequiredBackends();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("verify", "Compare every available backend with a float64 reference; exit 1 on a mismatch.")
        {
            model, tower, layer, tokens, required, json,
        };
        EngineOptionGroup engine = EngineOptionGroup.AddTo(command, also: nameof(FfnEngineOptions.MaxResidentExperts));
        command.SetAction(parsed => Run(
            session,
            parsed.GetRequiredValue(model),
            parsed.GetValue(tower),
            parsed.GetValue(layer),
            parsed.GetValue(tokens),
            parsed.GetValue(required),
            engine.Read(parsed),
            parsed.GetValue(json)));
        return command;
    }

    private static int Run(
        Session session,
        string model,
        CheckpointTower? tower,
        int layer,
        int tokens,
        ImmutableArray<BackendKind> required,
        FfnEngineOptions options,
        bool json)
    {
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(model, tower);
        FfnCheckpointLayer found = checkpoint.GetLayer(layer);
        RandomRows.RequireRoom("--tokens", tokens, found.Spec);
        required = required.IsDefault ? [] : required;
        VerifyReport report = Verifier.Run(model, found, tokens, options, required);
        if (JobRank.Follows(options))
        {
            return ExitCode.Done;
        }

        if (json)
        {
            session.Terminal.Out.WriteLine(CliJson.Write(report, CliJson.Default.VerifyReport));
        }
        else
        {
            WriteText(session.Terminal, report);
        }

        if (report.Rows.IsEmpty)
        {
            throw new UsageException("No backend could be verified. " + string.Join(
                "; ", report.NotVerified.Select(static skip => $"{skip.Backend}: {EngineReport.InShort(skip.Reason)}")) + ".");
        }

        if (!report.Passed)
        {
            return ExitCode.Failed;
        }

        Require(required, report);
        return ExitCode.Done;
    }

    // What was not verified is no mismatch, but the caller said that it must be there.
    private static void Require(ImmutableArray<BackendKind> required, VerifyReport report)
    {
        foreach (BackendKind kind in required)
        {
            if (report.NotVerified.FirstOrDefault(skip => skip.Backend == Names<BackendKind>.Of(kind)) is { } skipped)
            {
                throw new BackendUnavailableException(kind, skipped.Reason);
            }
        }
    }

    private static void WriteText(Terminal terminal, VerifyReport report)
    {
        terminal.Out.WriteLine(
            $"{report.Model}, layer {report.Layer}: {report.Kind} {report.DModel}x{report.DFf}" +
            (report.Experts > 0 ? $" ({report.Experts} experts, top {report.TopK})" : string.Empty) +
            $", {report.WeightType} weights kept as {report.Precision}, " +
            $"{report.Tokens} {(report.Tokens == 1 ? "token" : "tokens")}, against float64");
        Table table = Terminal.Table("backend", "mode", "weight error", "relative L2", "max abs error", "tolerance", "verdict");
        foreach (VerifyRow row in report.Rows)
        {
            table.AddRow(
                new Text(row.Backend),
                new Text(row.Mode),
                new Text(row.QuantizationError == 0 ? "0" : $"{row.QuantizationError:0.00e+00}"),
                new Text($"{row.RelativeL2:0.00e+00}"),
                new Text($"{row.MaxAbsError:0.00e+00}"),
                new Text($"{row.Tolerance:0.00e+00}"),
                row.Passed ? new Text("ok", new Style(Color.Green)) : new Text("WRONG", new Style(Color.Red)));
        }

        terminal.OutConsole.Write(table);
        foreach (VerifySkip skip in report.NotVerified)
        {
            terminal.Out.WriteLine($"not verified: {skip.Backend}: {EngineReport.InShort(skip.Reason)}");
        }
    }
}
