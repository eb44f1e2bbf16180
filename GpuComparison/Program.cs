using System.Collections.Immutable;
using System.CommandLine;
using System.CommandLine.Invocation;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Comparison.Reporting;
using NativeFfn.GpuComparison.Measuring;
using NativeFfn.GpuComparison.Reporting;

namespace NativeFfn.GpuComparison;

/// <summary>The program: exit code 0, 1 for what failed while it was measured, 2 for bad usage and where there is no GPU.</summary>
internal static class Program
{
    private const int Failed = 1;
    private const int BadInput = 2;

    /// <summary>Runs on any writers.</summary>
    public static int Run(string[] args, TextWriter stdout, TextWriter stderr)
    {
        try
        {
            ParseResult parsed = GpuCommand.Create(plan => Measure(plan, stdout, stderr), files => Show(files, stdout, stderr)).Parse(args);
            return parsed.Action is ParseErrorAction
                ? Refuse(stderr, parsed.Errors[0].Message, BadInput)
                : parsed.Invoke(new InvocationConfiguration { Output = stdout, Error = stderr, EnableDefaultExceptionHandler = false });
        }
        catch (CudaException error) when (error.IsNoDevice)
        {
            return Refuse(stderr, "there is no GPU to measure on. " + error.Message, BadInput);
        }
        catch (Exception error) when (error is IncompleteException or CudaException or CuBlasLtException or DeviceFailedException)
        {
            return Refuse(stderr, error.Message, Failed);
        }
        catch (Exception error) when (error is ArgumentException or IOException or InvalidDataException or UnauthorizedAccessException or NotSupportedException
            or BackendUnavailableException or DllNotFoundException or OverflowException or InsufficientMemoryException or OutOfMemoryException)
        {
            return Refuse(stderr, error.Message, BadInput);
        }
    }

    private static int Main(string[] args) => Run(args, Console.Out, Console.Error);

    private static int Refuse(TextWriter stderr, string message, int code)
    {
        stderr.WriteLine("gpu: error: " + message.ReplaceLineEndings(" "));
        return code;
    }

    private static void Measure(GpuPlan plan, TextWriter stdout, TextWriter stderr)
    {
        OutputFiles.Require("--json", plan.Json);
        CudaLibraries libraries = CudaLibraries.Load(plan.CudaPath);
        var options = new FfnEngineOptions
        {
            Backend = BackendKind.CuBlas, CudaPath = plan.CudaPath, Device = plan.Device, Autotune = plan.Autotune,
        };
        GpuReport? last = null;
        try
        {
            GpuRun.Measure(plan, libraries, options, stderr.WriteLine, report =>
            {
                last = report;
                if (plan.Json is not null)
                {
                    OutputFiles.Write(plan.Json, ReportJson.Write(report));
                }
            });
        }
        finally
        {
            // Whatever ended it, what was measured is told.
            if (last is { Rows.IsEmpty: false })
            {
                ReportText.Write(stdout, [last]);
            }
        }

        if (last?.Failures is { IsEmpty: false } failures)
        {
            throw new IncompleteException("Not everything was measured: " + string.Join("; ", failures));
        }
    }

    private static void Show(ImmutableArray<string> files, TextWriter stdout, TextWriter stderr)
    {
        List<GpuReport> reports = [ReportJson.Read(files[0])];
        foreach (string peer in files.Skip(1))
        {
            try
            {
                reports.Add(ReportJson.Read(peer));
            }
            catch (Exception error) when (error is IOException or InvalidDataException or UnauthorizedAccessException)
            {
                stderr.WriteLine($"'{peer}' is left out: {error.Message}");
            }
        }

        ReportText.Write(stdout, [.. reports]);
        if (reports.Count < files.Length)
        {
            throw new IncompleteException($"{files.Length - reports.Count} of {files.Length} files could not be shown.");
        }
    }
}
