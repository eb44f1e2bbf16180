using System.CommandLine;
using System.CommandLine.Invocation;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Cli;

namespace NativeFfn.Bench;

/// <summary>Some of what was asked for is there, and some could not be done.</summary>
internal sealed class IncompleteException(string message) : Exception(message);

/// <summary>A subject computes something else than the layer.</summary>
internal sealed class WrongResultException(string message) : Exception(message);

/// <summary>Runs one of the tool's commands: exit code 0, 1 for what failed while it was measured, 2 for bad usage and what is absent.</summary>
internal static class ToolRun
{
    /// <summary>Runs on any writers.</summary>
    public static int Of(RootCommand root, string[] args, TextWriter stdout, TextWriter stderr)
    {
        try
        {
            ParseResult parsed = root.Parse(args);
            return parsed.Action is ParseErrorAction
                ? Refuse(stderr, parsed.Errors[0].Message, ExitCode.BadInput)
                : parsed.Invoke(new InvocationConfiguration { Output = stdout, Error = stderr, EnableDefaultExceptionHandler = false });
        }
        catch (CudaException error) when (error.IsNoDevice)
        {
            return Refuse(stderr, "there is no GPU to measure on. " + error.Message, ExitCode.BadInput);
        }
        catch (Exception error) when (error is IncompleteException or WrongResultException or CudaException or CuBlasLtException or DeviceFailedException)
        {
            return Refuse(stderr, error.Message, ExitCode.Failed);
        }
        catch (Exception error) when (error is ArgumentException or IOException or InvalidDataException or UnauthorizedAccessException
            or NotSupportedException or BackendUnavailableException or DllNotFoundException or OverflowException or InsufficientMemoryException
            or OutOfMemoryException)
        {
            return Refuse(stderr, error.Message, ExitCode.BadInput);
        }
    }

    private static int Refuse(TextWriter stderr, string message, int code)
    {
        stderr.WriteLine("bench: error: " + message.ReplaceLineEndings(" "));
        return code;
    }
}
