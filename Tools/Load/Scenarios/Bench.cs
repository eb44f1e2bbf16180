using System.Diagnostics;
using System.Globalization;

namespace NativeFfn.Load.Scenarios;

/// <summary>What the command's <c>bench</c> gives for a batch, with nothing else running.</summary>
internal static class Bench
{
    private const string Seconds = "2";

    /// <summary>Median milliseconds of the whole layer at a number of tokens.</summary>
    public static async Task<double> MillisecondsAsync(LoadPlan plan, int tokens)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true };
        foreach (string argument in (string[])
        [
            plan.Command, "bench", "--shape", plan.Shape.ToString(), "--tokens", tokens.ToString(CultureInfo.InvariantCulture),
            "--backend", Names<BackendKind>.Of(plan.Backend), "--precision", Names<FfnPrecision>.Of(plan.Precision),
            "--seconds", Seconds, "--json",
            "-",
        ])
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new IOException($"'{string.Join(' ', start.ArgumentList)}' ended with {process.ExitCode}.");
        }

        return BenchAnswer.MedianMs(output);
    }
}
