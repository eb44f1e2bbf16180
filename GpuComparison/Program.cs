using System.Collections.Immutable;
using System.CommandLine;
using System.CommandLine.Invocation;
using NativeFfn;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Comparison.Reporting;
using NativeFfn.GpuComparison;
using NativeFfn.GpuComparison.Measuring;
using NativeFfn.GpuComparison.Reporting;

const int Failed = 1;
const int BadInput = 2;

try
{
    ParseResult parsed = GpuCommand.Create(Measure, Show).Parse(args);
    if (parsed.Action is ParseErrorAction)
    {
        return Refuse(parsed.Errors[0].Message, BadInput);
    }

    return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (CudaException error) when (error.IsNoDevice)
{
    return Refuse("there is no GPU to measure on. " + error.Message, BadInput);
}
catch (Exception error) when (error is WrongResultException or CudaException or CuBlasLtException or DeviceFailedException)
{
    return Refuse(error.Message, Failed);
}
catch (Exception error) when (error is ArgumentException or IOException or UnauthorizedAccessException or NotSupportedException
    or BackendUnavailableException or DllNotFoundException or OverflowException or InsufficientMemoryException or OutOfMemoryException)
{
    return Refuse(error.Message, BadInput);
}

static int Refuse(string message, int code)
{
    Console.Error.WriteLine("gpu: error: " + message.ReplaceLineEndings(" "));
    return code;
}

static void Measure(GpuPlan plan)
{
    OutputFiles.Require("--json", plan.Json);
    CudaLibraries libraries = CudaLibraries.Load(plan.CudaPath);
    var options = new FfnEngineOptions { Backend = BackendKind.CuBlas, CudaPath = plan.CudaPath, Device = plan.Device, Autotune = plan.Autotune };
    GpuReport report = GpuRun.Measure(plan, libraries, options, Console.Error.WriteLine);
    ReportText.Write(Console.Out, [report]);
    if (plan.Json is not null)
    {
        OutputFiles.Write(plan.Json, ReportJson.Write(report));
    }
}

static void Show(ImmutableArray<string> files) => ReportText.Write(Console.Out, [.. files.Select(ReportJson.Read)]);
