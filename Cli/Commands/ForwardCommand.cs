using System.CommandLine;
using NativeFfn.Checkpoints;
using NativeFfn.Cli.Files;
using NativeFfn.Cli.Options;

namespace NativeFfn.Cli.Commands;

/// <summary><c>forward</c>: runs one layer of a checkpoint on the rows of a file.</summary>
internal static class ForwardCommand
{
    private sealed record Request(
        string Model, CheckpointTower? Tower, int Layer, string Input, string Output, string? Trace, FfnMode Mode, FfnEngineOptions Engine);

    public static Command Create(Session session)
    {
        Option<string> model = CommonOptions.Model();
        Option<CheckpointTower?> tower = CommonOptions.Tower();
        Option<int> layer = CommonOptions.Layer();
        Option<string> input = OptionFactory.Text("--input", "FILE", "Safetensors with F32 'input' [tokens, d_model].", required: true);
        Option<string> output = OptionFactory.Text("--output", "FILE", "Safetensors to write, with F32 'output'; may be the input file.", required: true);
        Option<FfnMode> mode = CommonOptions.Mode();
        Option<string> trace = OptionFactory.Text("--trace", "FILE", "Safetensors to write with the inner values of the forward.");
        var command = new Command("forward", "Run a layer of a checkpoint on the rows of a file.")
        {
            model, tower, layer, input, output, trace, mode,
        };
        EngineOptionGroup engine = EngineOptionGroup.AddTo(
            command, also: [nameof(FfnEngineOptions.Backend), nameof(FfnEngineOptions.MaxResidentExperts)]);
        command.SetAction(parsed => Run(session, new Request(
            parsed.GetRequiredValue(model),
            parsed.GetValue(tower),
            parsed.GetValue(layer),
            parsed.GetRequiredValue(input),
            parsed.GetRequiredValue(output),
            parsed.GetValue(trace),
            parsed.GetValue(mode),
            engine.Read(parsed))));
        return command;
    }

    private static int Run(Session session, Request request)
    {
        RequirePaths(request);
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(request.Model, request.Tower);
        FfnCheckpointLayer found = checkpoint.GetLayer(request.Layer);
        FfnSpec spec = found.Spec;
        RequireMode(request, spec);
        RequireOthers(request, checkpoint);
        if (JobRank.Follows(request.Engine))
        {
            return Follow(request.Engine, found);
        }

        // Ranks of a job meet first: where rank 0 alone fails, its end then ends the others.
        using FfnEngine engine = FfnEngine.Create(request.Engine);
        InputRows input = InputRows.Read(request.Input, spec);
        if (request.Trace is not null)
        {
            TraceFile.RequireRoom(spec, input.Tokens);
        }

        using FfnLayer layer = engine.CreateLayer(spec, found.Weights);
        FfnTrace? trace = request.Trace is null ? null : new FfnTrace(spec, input.Tokens);
        var output = new float[input.Tokens * spec.OutputWidth];
        layer.Inspect(request.Mode, input.Values, output, trace);
        Write(session.Interrupt, input.Tokens, FilesOf(request, trace, output, spec));
        Report(session.Terminal, request).WriteLine(
            $"{request.Output}: {Names<FfnMode>.Of(request.Mode)} of {input.Tokens} {(input.Tokens == 1 ? "token" : "tokens")}, "
            + $"layer {found.Index} ({spec}, {found.WeightType} kept as {EngineReport.DescribePrecision(layer)}), "
            + $"multiplied by {layer.Gemms}, on {EngineReport.Describe(engine.Selection)}"
            + (layer.Placement.Length == 0 ? string.Empty : $"; {layer.Placement}"));
        return ExitCode.Done;
    }

    // Rank 0 alone reads and writes.
    private static int Follow(FfnEngineOptions options, FfnCheckpointLayer found)
    {
        using FfnEngine engine = FfnEngine.Create(options);
        using FfnLayer layer = engine.CreateLayer(found.Spec, found.Weights);
        engine.Follow();
        return ExitCode.Done;
    }

    private static void RequirePaths(Request request)
    {
        OutputPath.Require("--output", request.Output);
        if (request.Trace is not { } trace)
        {
            return;
        }

        OutputPath.Require("--trace", trace);
        if (OutputPath.Same(trace, request.Output))
        {
            throw new UsageException($"--trace and --output are both '{trace}'; name two files.");
        }
    }

    private static void RequireOthers(Request request, FfnCheckpoint checkpoint)
    {
        OutputPath.RequireOther("--output", request.Output, checkpoint);
        if (request.Trace is { } trace)
        {
            OutputPath.RequireOther("--trace", trace, checkpoint);
        }
    }

    private static TextWriter Report(Terminal terminal, Request request) =>
        OutputPath.IsStandardOutput(request.Output) || (request.Trace is { } trace && OutputPath.IsStandardOutput(trace)) ? terminal.Error : terminal.Out;

    private static void RequireMode(Request request, FfnSpec spec)
    {
        if (request.Mode == FfnMode.Block && spec.WhyNoBlock is { } reason)
        {
            throw new UsageException($"--mode block is not possible with layer {request.Layer} of '{request.Model}': {reason}");
        }

        if (request.Mode != FfnMode.Ffn && !spec.KeepsWidth)
        {
            throw new UsageException(
                $"--mode {Names<FfnMode>.Of(request.Mode)} adds the input to the output, but {spec} turns {spec.InputWidth} elements into {spec.OutputWidth}.");
        }
    }

    private static List<(string Path, List<(string Name, int Width, float[] Values)> Tensors)> FilesOf(
        Request request, FfnTrace? trace, float[] output, FfnSpec spec)
    {
        List<(string, List<(string, int, float[])>)> files = [(request.Output, [("output", spec.OutputWidth, output)])];
        if (trace is not null)
        {
            files.Insert(0, (request.Trace!, TraceFile.Tensors(trace, request.Mode, output)));
        }

        return files;
    }

    // Pipes first, while there is nothing that a signal would have to remove. Files are all complete before one takes its place.
    private static void Write(
        Interrupt interrupt, int tokens, List<(string Path, List<(string Name, int Width, float[] Values)> Tensors)> files)
    {
        foreach ((string path, List<(string, int, float[])> tensors) in files.Where(static file => ReplacedFile.IsDirect(file.Path)))
        {
            using var pipe = new TensorFile(path, tokens, tensors, interrupt.Token);
            pipe.Commit();
        }

        interrupt.WhileWriting(() =>
        {
            var complete = new List<TensorFile>();
            try
            {
                foreach ((string path, List<(string, int, float[])> tensors) in files.Where(static file => !ReplacedFile.IsDirect(file.Path)))
                {
                    complete.Add(new TensorFile(path, tokens, tensors, interrupt.Token));
                }

                complete.ForEach(static file => file.Commit());
            }
            finally
            {
                complete.ForEach(static file => file.Dispose());
            }
        });
    }
}
