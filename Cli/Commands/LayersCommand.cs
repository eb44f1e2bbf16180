using System.CommandLine;
using NativeFfn.Backends.Encodings;
using NativeFfn.Checkpoints;
using NativeFfn.Cli.Layers;
using NativeFfn.Cli.Options;
using Spectre.Console;

namespace NativeFfn.Cli.Commands;

/// <summary><c>layers</c>: what feed-forward layers a checkpoint has, without reading their weights.</summary>
internal static class LayersCommand
{
    public static Command Create(Session session)
    {
        Option<string> model = CommonOptions.Model();
        Option<CheckpointTower?> tower = CommonOptions.Tower();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("layers", "List the feed-forward layers of a checkpoint: kind, widths, encoding, experts, block, and what cannot run.")
        {
            model, tower, json,
        };
        command.SetAction(parsed => Run(session, parsed.GetRequiredValue(model), parsed.GetValue(tower), parsed.GetValue(json)));
        return command;
    }

    private static int Run(Session session, string model, CheckpointTower? tower, bool json)
    {
        LayersReport report = Collect(model, tower);
        if (json)
        {
            session.Terminal.Out.WriteLine(CliJson.Write(report, CliJson.Default.LayersReport));
        }
        else
        {
            WriteText(session.Terminal, report);
        }

        return ExitCode.Done;
    }

    private static LayersReport Collect(string model, CheckpointTower? tower)
    {
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(model, tower);
        return new LayersReport(
            model, checkpoint.ModelType, [.. Enumerable.Range(0, checkpoint.LayerCount).Select(layer => RowOf(checkpoint, layer))]);
    }

    private static LayerRow RowOf(FfnCheckpoint checkpoint, int layer)
    {
        try
        {
            FfnCheckpointLayer found = checkpoint.GetLayer(layer);
            FfnSpec spec = found.Spec;
            var source = (IEncodedWeightSource)found.Weights;
            return new LayerRow(
                layer,
                spec.Kind.Name,
                spec.DModel,
                spec.DFf,
                spec.Mixture?.Experts ?? 0,
                spec.Mixture?.TopK ?? 0,
                spec.Mixture?.SharedDFf ?? 0,
                found.WeightType,
                spec.Tensors.Sum(tensor => tensor.Rows * source.EncodingOf(tensor).RowBytes(tensor.Columns)),
                spec.BlockFormula ?? "none: " + (spec.WhyNoBlock ?? "the output is not as wide as the input."),
                Problem: null);
        }
        catch (CheckpointException problem)
        {
            return new LayerRow(layer, null, 0, 0, 0, 0, 0, null, 0, null, problem.Message);
        }
    }

    private static void WriteText(Terminal terminal, LayersReport report)
    {
        int count = report.Layers.Length;
        terminal.Out.WriteLine($"{report.Model}: {report.Family}, {count} feed-forward {(count == 1 ? "layer" : "layers")}");
        Table table = Terminal.Table("layer", "kind", "d_model", "d_ff", "experts", "stored as", "size", "block");
        foreach (LayerRow row in report.Layers.Where(static row => row.Problem is null))
        {
            table.AddRow(
                new Text($"{row.Layer}"),
                new Text(row.Kind!),
                new Text($"{row.DModel}"),
                new Text($"{row.DFf}"),
                new Text(Experts(row)),
                new Text(row.WeightType!),
                new Text(ByteSize.Of(row.Bytes)),
                new Text(row.Block!));
        }

        terminal.OutConsole.Write(table);
        foreach (LayerRow row in report.Layers.Where(static row => row.Problem is not null))
        {
            terminal.Out.WriteLine($"layer {row.Layer} cannot run: {row.Problem}");
        }
    }

    private static string Experts(LayerRow row) => row.Experts == 0
        ? string.Empty
        : $"{row.TopK} of {row.Experts}" + (row.SharedDFf == 0 ? string.Empty : $" + shared {row.SharedDFf}");
}
