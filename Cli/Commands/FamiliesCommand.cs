using System.CommandLine;
using NativeFfn.Checkpoints.Families;
using NativeFfn.Cli.Options;
using Spectre.Console;

namespace NativeFfn.Cli.Commands;

/// <summary><c>families</c>: the models whose checkpoints can be read.</summary>
internal static class FamiliesCommand
{
    public static Command Create(Session session)
    {
        Option<bool> json = CommonOptions.Json();
        var command = new Command("families", "List the families of checkpoints that can be read, and how each is built.") { json };
        command.SetAction(parsed => Run(session, parsed.GetValue(json)));
        return command;
    }

    private static int Run(Session session, bool json)
    {
        FamilyReport report = FamilyReport.Create();
        if (json)
        {
            session.Terminal.Out.WriteLine(CliJson.Write(report, CliJson.Default.FamilyReport));
            return ExitCode.Done;
        }

        Table families = Terminal.Table("model types", "form", "projections", "norms", "activation", "router");
        foreach (FamilyLine line in report.Families)
        {
            families.AddRow(
                new Text(string.Join(", ", line.ModelTypes)), new Text(line.Form), new Text(string.Join(", ", line.Projections)),
                new Text(string.Join(", ", line.Norms)), new Text(line.Activation), new Text(line.Router ?? string.Empty));
        }

        session.Terminal.OutConsole.Write(families);
        Table composed = Terminal.Table("composed models", "towers");
        foreach (IGrouping<string, ComposedLine> group in report.Composed.GroupBy(static line => string.Join(", ", line.Towers)))
        {
            composed.AddRow(new Text(string.Join(", ", group.Select(static line => line.ModelType))), new Text(group.Key));
        }

        session.Terminal.OutConsole.Write(composed);
        session.Terminal.Out.WriteLine("GGUF: " + string.Join(", ", report.Gguf));
        return ExitCode.Done;
    }
}
