using NativeFfn.Comparison.Callers;
using Spectre.Console;

namespace NativeFfn.Comparison.Reporting;

/// <summary>A server's view as Markdown tables: throughput by callers, then rest and garbage.</summary>
internal static class ServerText
{
    public static void Write(TextWriter writer, ServerView server, int threads)
    {
        writer.WriteLine();
        writer.WriteLine(
            $"A server's view: {server.Callers} callers at a time with 1 thread each, beside one caller at a time with {threads}; tokens a second of all callers together, medians:");
        if (server.OtherLoad is { } others)
        {
            writer.WriteLine($"Other processes had {others:0%} of the processors meanwhile, of which more threads win back more.");
        }

        writer.WriteLine();
        writer.WriteLine(Markdown.Of(Rates(server, threads)));
        writer.WriteLine();
        writer.WriteLine("Processor time of the process in one second without calls, right after a forward, and managed bytes of a steady forward:");
        writer.WriteLine();
        writer.WriteLine(Markdown.Of(Rests(server)));
    }

    private static Table Rates(ServerView server, int threads)
    {
        Table table = Markdown.Table("tokens", "subject", $"{server.Callers} x 1 thread", $"1 x {threads} threads", "ratio");
        foreach (CallerRate rate in server.Rates)
        {
            table.AddRow($"{rate.Tokens}", rate.Subject.Name, $"{rate.ManyPerSecond:0}", $"{rate.OnePerSecond:0}", $"{rate.ManyOverOne:0.00}");
        }

        return table;
    }

    private static Table Rests(ServerView server)
    {
        Table table = Markdown.Table("subject", "idle ms", "bytes/call");
        foreach (RestRow rest in server.Rests)
        {
            table.AddRow(rest.Subject.Name, $"{rest.IdleMs:0.0}", $"{rest.AllocatedBytesPerCall}");
        }

        return table;
    }
}
