using System.CommandLine;
using NativeFfn.Cli.Info;
using NativeFfn.Cli.Options;

namespace NativeFfn.Cli.Commands;

/// <summary><c>info</c>: what this machine offers.</summary>
internal static class InfoCommand
{
    public static Command Create(Session session)
    {
        Option<bool> json = CommonOptions.Json();
        Option<string> mklPath = EngineOptionGroup.Of(nameof(FfnEngineOptions.MklPath));
        var command = new Command("info", "Show which backends can be used here, why others cannot, and what the processor offers.") { json, mklPath };
        command.SetAction(parsed => Run(session, parsed.GetValue(json), parsed.GetValue(mklPath)));
        return command;
    }

    private static int Run(Session session, bool json, string? mklPath)
    {
        InfoReport report = InfoReport.Collect(new FfnEngineOptions { MklPath = mklPath });
        if (json)
        {
            session.Terminal.Out.WriteLine(CliJson.Write(report, CliJson.Default.InfoReport));
        }
        else
        {
            InfoText.Write(session.Terminal, report);
        }

        return ExitCode.Done;
    }
}
