using System.CommandLine;
using System.CommandLine.Invocation;
using NativeFfn;
using NativeFfn.Cli.Options;
using NativeFfn.Comparison;
using NativeFfn.Comparison.Measuring;
using NativeFfn.Comparison.Reporting;

const int Failed = 1;
const int BadInput = 2;

try
{
    ParseResult parsed = ComparisonCommand.Create(Compare).Parse(args);
    if (parsed.Action is ParseErrorAction)
    {
        return Refuse(parsed.Errors[0].Message, BadInput);
    }

    return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (WrongResultException wrong)
{
    return Refuse(wrong.Message, Failed);
}
catch (Exception error) when (error is ArgumentException or IOException or UnauthorizedAccessException or NotSupportedException
    or BackendUnavailableException or DllNotFoundException or OverflowException or InsufficientMemoryException or OutOfMemoryException)
{
    return Refuse(error.Message, BadInput);
}

static int Refuse(string message, int code)
{
    Console.Error.WriteLine("bench: error: " + message.ReplaceLineEndings(" "));
    return code;
}

static void Compare(ComparisonPlan plan)
{
    Machine machine = Machine.Here();
    OutputFiles.Require("--json", plan.Json);
    OutputFiles.Require("--plot", plan.Plot);
    Console.WriteLine($"{machine}; {plan.Threads} threads each");
    List<ShapeResult> results = [];
    foreach (LayerShape shape in plan.Shapes)
    {
        ShapeResult result = ShapeComparison.Run(plan, shape, Console.Error.WriteLine);
        ResultText.Write(Console.Out, result);
        results.Add(result);
        if (plan.Plot is not null)
        {
            string file = plan.Shapes.Length == 1 ? plan.Plot : OutputFiles.WithSuffix(plan.Plot, result.Shape);
            OutputFiles.Write(file, ResultPlot.Draw(machine, result));
        }
    }

    if (plan.Json is not null)
    {
        OutputFiles.Write(plan.Json, ResultJson.Write(machine, results));
    }
}
