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
        Option<string> numa = EngineOptionGroup.Of(nameof(FfnEngineOptions.Numa));
        var command = new Command("info", "Show which backends can be used here, why others cannot, and what the processor offers.") { json, mklPath, numa };
        command.SetAction(parsed =>
        {
            var options = new FfnEngineOptions { MklPath = parsed.GetValue(mklPath) };
            return Run(session, parsed.GetValue(json), parsed.GetValue(numa) is { } nodes ? options with { Numa = nodes } : options);
        });
        return command;
    }

    private static int Run(Session session, bool json, FfnEngineOptions options)
    {
        InfoReport report = InfoReport.Collect(options);
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
