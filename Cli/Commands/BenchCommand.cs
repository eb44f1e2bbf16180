using System.Collections.Immutable;
using System.CommandLine;
using NativeFfn.Cli.Benchmarking;
using NativeFfn.Cli.Files;
using NativeFfn.Cli.Options;

namespace NativeFfn.Cli.Commands;

/// <summary><c>bench</c>: times backends on a layer with random weights.</summary>
internal static class BenchCommand
{
    // What goes to standard output instead of the table.
    private const string StandardOutput = "-";

    private static readonly LayerShape DefaultShape = new(2048, 5632);
    private static readonly ImmutableArray<int> DefaultTokens = [1, 4, 16, 64];

    public static Command Create(Session session)
    {
        Option<ImmutableArray<int>> tokens = BenchOptions.Tokens(DefaultTokens);
        Option<ImmutableArray<BackendKind>> backend = BenchOptions.Backends();
        Option<double> seconds = BenchOptions.Seconds();
        Option<bool> resident = BenchOptions.Resident();
        (Option<string> Option, Func<FfnSpec, BenchReport, string> Text)[] forms =
        [
            (FormOption("--json", "JSON, with where they were taken"), static (_, report) => CliJson.Write(report, CliJson.Default.BenchReport)),
            (FormOption("--csv", "CSV"), static (_, report) => BenchText.Csv(report.Rows)),
            (FormOption("--markdown", "a table in Markdown"), BenchText.Markdown),
        ];
        var command = new Command("bench", "Time the whole layer with its residual, on random weights.");
        LayerOptions layer = LayerOptions.AddTo(command, DefaultShape);
        Array.ForEach((Option[])[tokens, backend, seconds, resident], command.Add);
        Array.ForEach(forms, form => command.Add(form.Option));
        EngineOptionGroup engines = EngineOptionGroup.AddTo(command, severalPrecisions: true);
        command.SetAction(parsed =>
        {
            return Run(
                session,
                new BenchPlan(
                    layer.Read(parsed),
                    parsed.GetValue(tokens).OrDefault(DefaultTokens),
                    parsed.GetValue(backend).OrDefault([]),
                    engines.ReadEach(parsed),
                    parsed.GetValue(seconds),
                    parsed.GetValue(resident)),
                [.. forms.Where(form => parsed.GetValue(form.Option) is not null).Select(form => new Form(form.Option.Name, parsed.GetValue(form.Option)!, form.Text))]);
        });
        return command;
    }

    private static Option<string> FormOption(string name, string what) =>
        OptionFactory.Text(name, "FILE", $"Write the rows as {what}; {StandardOutput} prints them instead of the table.");

    private static int Run(Session session, BenchPlan plan, ImmutableArray<Form> forms)
    {
        RandomRows.RequireRoom("--tokens", plan.Tokens.Max(), plan.Spec);
        forms = [.. forms.Select(static form => form.Checked())];
        if (forms.Count(static form => form.IsPrinted) > 1)
        {
            throw new UsageException(
                $"{string.Join(" and ", forms.Where(static form => form.IsPrinted).Select(static form => form.Option))} cannot both go to standard output; "
                + "name a file for one of them.");
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

        BenchReport report = BenchReport.Of(rows);
        if (!forms.Any(static form => form.IsPrinted))
        {
            BenchText.Write(terminal, plan.Spec, report.Rows);
        }

        foreach (Form form in forms)
        {
            string text = form.Write(plan.Spec, report);
            if (form.IsPrinted)
            {
                terminal.Out.WriteLine(text);
            }
            else
            {
                session.Interrupt.WhileWriting(form.File, () => AtomicFile.WriteText(form.File, text + Environment.NewLine));
            }
        }

        return ExitCode.Done;
    }

    // A form of the results that was asked for, and where it goes.
    private sealed record Form(string Option, string File, Func<FfnSpec, BenchReport, string> Write)
    {
        public bool IsPrinted => File == StandardOutput;

        public Form Checked()
        {
            if (IsPrinted)
            {
                return this;
            }

            OutputPath.Require(Option, File);
            return OutputPath.IsStandardOutput(File) ? this with { File = StandardOutput } : this;
        }
    }
}
