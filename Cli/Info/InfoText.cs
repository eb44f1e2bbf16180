using Spectre.Console;

namespace NativeFfn.Cli.Info;

/// <summary><c>info</c> as text, one fact a line.</summary>
internal static class InfoText
{
    private const int LabelWidth = 14;

    public static void Write(Terminal terminal, InfoReport report)
    {
        terminal.Out.WriteLine($"NativeFfn {report.Version}");
        terminal.Out.WriteLine();
        foreach (BackendInfo backend in report.Backends)
        {
            WriteBackend(terminal, backend, backend.Name == report.Auto);
        }

        if (report.Nccl is { } nccl)
        {
            Write(terminal, "nccl", ", between GPUs", nccl.Version, nccl.Path, nccl.Reason);
        }

        terminal.Out.WriteLine();
        foreach ((int index, IGrouping<string, KernelInfo> same) in report.Kernels.GroupBy(Describe).Index())
        {
            Line(terminal, index == 0 ? "kernels" : string.Empty, $"{string.Join(' ', same.Select(static kernel => kernel.Precision))}: {same.Key}");
        }

        Line(terminal, "instructions", string.Join(' ', report.InstructionSets.Where(static set => set.Value).Select(static set => set.Key)));
        Line(terminal, "not used", string.Join(' ', report.InstructionSets.Where(static set => !set.Value).Select(static set => set.Key)));
        Line(terminal, "threads", report.Threads.ToString());
        WriteNodes(terminal, report.Numa);
        Line(terminal, "system", $"{report.OperatingSystem} ({report.Architecture})");
        Line(terminal, "runtime", report.Runtime);
    }

    private static void WriteNodes(Terminal terminal, NumaReport? numa)
    {
        foreach ((int index, string line) in (numa?.Lines ?? []).Index())
        {
            Line(terminal, index == 0 ? "numa" : string.Empty, line);
        }
    }

    private static string Describe(KernelInfo kernel) =>
        kernel.AssembledMilliseconds is { } milliseconds ? $"{kernel.Instructions}, assembled in {milliseconds:F0} ms"
        : kernel.Reason is { } reason ? $"{kernel.Instructions}; without {reason}"
        : kernel.Instructions;

    private static void WriteBackend(Terminal terminal, BackendInfo backend, bool isAuto)
    {
        Write(terminal, backend.Name, isAuto ? ", chosen by auto" : string.Empty, backend.Version, backend.Path, backend.Reason);
        if (backend.Available)
        {
            Line(terminal, "  threads", backend.Threads.ToString()!);
        }
    }

    private static void Write(Terminal terminal, string name, string addition, string? version, string? path, string? reason)
    {
        terminal.OutConsole.Write(new Text(name.PadRight(LabelWidth), new Style(decoration: Decoration.Bold)));
        terminal.OutConsole.Write(reason is null
            ? new Text("available", new Style(Color.Green))
            : new Text("not available", new Style(Color.Yellow)));
        terminal.Out.WriteLine(addition);
        if (reason is null)
        {
            Line(terminal, "  version", version!);
            if (path is not null)
            {
                Line(terminal, "  library", path);
            }
        }

        // Straight to the writer: a console would wrap a long path.
        foreach (string line in (reason ?? string.Empty).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            terminal.Out.WriteLine("  " + line.TrimEnd());
        }
    }

    private static void Line(Terminal terminal, string label, string value) => terminal.Out.WriteLine(label.PadRight(LabelWidth) + value);
}
