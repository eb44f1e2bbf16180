using System.CommandLine;
using System.CommandLine.Invocation;
using System.Diagnostics;
using NativeFfn;
using NativeFfn.Load;
using NativeFfn.Load.Reporting;
using NativeFfn.Load.Scenarios;
using NativeFfn.Load.Wire;

const int Done = 0;
const int Failed = 1;
const int BadInput = 2;

// What the server's numbers are held to.
const double LeastShareOfBench = 0.85;
const double LeastGainOfBatching = 1.3;
const double LeastGainWithOneToken = 4;

try
{
    ParseResult parsed = LoadCommand.Create(MeasureAsync).Parse(args);
    if (parsed.Action is ParseErrorAction)
    {
        return Refuse(parsed.Errors[0].Message);
    }

    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception error) when (error
    is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException or BackendUnavailableException)
{
    return Refuse(error.Message);
}

static int Refuse(string message)
{
    Console.Error.WriteLine("load: error: " + message.ReplaceLineEndings(" "));
    return BadInput;
}

static async Task<int> MeasureAsync(LoadPlan plan)
{
    string model = MakeCheckpoint(plan);
    RequestSet requests = RequestSet.Create(plan, model);
    string size = plan.FixedTokens ? $"{plan.Tokens} tokens" : $"1 to {plan.Tokens} tokens";
    Console.WriteLine(
        $"swiglu {plan.Shape}, {plan.Clients} clients with {size} each for {plan.Seconds} s, "
        + $"on backend {Names<BackendKind>.Of(plan.Backend)}");

    Text.Heading($"batching, at most {plan.BatchTokens} tokens");
    SteadyResult steady = await SteadyScenario.RunAsync(plan, model, requests, batching: true);
    Text.Steady(steady);
    double share = await SteadyScenario.ShareOfBenchAsync(plan, steady);
    Text.Line("share of bench", $"{share:0.0%}");
    bool good = Text.Judge(steady.Statistics.IsClean, "every answer came and was right") & Text.Judge(
        share >= LeastShareOfBench, $"at least {LeastShareOfBench:0%} of bench");

    if (plan.Compare)
    {
        Text.Heading("no batching");
        SteadyResult single = await SteadyScenario.RunAsync(plan, model, requests, batching: false);
        Text.Steady(single);
        double gain = steady.Statistics.TokensPerSecond / single.Statistics.TokensPerSecond;
        double least = plan is { FixedTokens: true, Tokens: 1 } ? LeastGainWithOneToken : LeastGainOfBatching;
        Text.Line("gain of batching", $"{gain:0.00} x");
        good &= Text.Judge(single.Statistics.IsClean, "every answer came and was right") & Text.Judge(
            gain >= least, $"batching gives at least {least} x");
    }

    if (plan.Overload > 0)
    {
        good &= await OverloadScenario.RunAsync(plan, model, requests, steady, plan.Seconds);
    }

    if (plan.Fairness)
    {
        good &= await FairnessScenario.RunAsync(plan, model, requests);
        good &= await DeadlineScenario.RunAsync(plan, model);
    }

    if (plan.Soak > 0)
    {
        good &= await SoakScenario.RunAsync(plan, model);
    }

    if (plan.Faults)
    {
        good &= await FaultScenario.RunAsync(plan, model);
    }

    return good ? Done : Failed;
}

static string MakeCheckpoint(LoadPlan plan)
{
    string model = Path.Combine(plan.Folder, "model");
    if (Directory.Exists(model))
    {
        Directory.Delete(model, recursive: true);
    }

    using Process process = Process.Start(
        "dotnet", [plan.Command, "init", "--shape", plan.Shape.ToString(), "--dtype", "bf16", "--output", model]);
    process.WaitForExit();
    return process.ExitCode == 0 ? model : throw new IOException($"The checkpoint {model} could not be made.");
}
