using System.CommandLine;
using System.Globalization;
using NativeFfn.Cli.Files;
using NativeFfn.Cli.Options;
using Spectre.Console;

namespace NativeFfn.Cli.Commands;

/// <summary><c>init</c>: makes a checkpoint with random weights, of a transformer's layers or of stacks.</summary>
internal static class InitCommand
{
    // More layers than any network has.
    private const int MaxLayers = 10_000;
    private const int MaxSampleTokens = 1 << 20;
    private const string ModelFile = "model.safetensors";
    private const string ConfigFile = "config.json";
    private const string SampleFile = "input.safetensors";

    private sealed record Request(RandomCheckpoint Checkpoint, int SampleTokens, int SampleSeed, string Output);

    public static Command Create(Session session)
    {
        Option<FfnKind> kind = CommonOptions.Kind($"The layers' kind: {string.Join(", ", LlamaConfig.Kinds)}.");
        kind.DefaultValueFactory = static _ => FfnKind.SwiGlu;
        Option<LayerShape?> shape = CommonOptions.Shape("d_model and d_ff.");
        Option<StackShape?> stack = OptionFactory.Word<StackShape?>(
            "--stack", "WxWx...xW", "In place of --shape, the widths of a stack from its input to its output; its last stage is linear.",
            "three positive widths or more, such as 784x256x128x10", StackShape.TryParse);
        Option<int> experts = CommonOptions.Experts();
        Option<int> topK = CommonOptions.TopK();
        Option<int> layers = OptionFactory.Integer("--layers", "L", "Layers.", 1, MaxLayers, 1);
        Option<WeightType?> type = WeightTypeOption();
        Option<ulong> seed = SeedOption();
        Option<int> sample = OptionFactory.Integer(
            "--sample-input", "TOKENS", $"Also write {SampleFile} with that many random rows, for trying 'forward'.", 1, MaxSampleTokens);
        Option<string> output = OptionFactory.Text("--output", "DIR", "The folder to make; it must not exist or be empty.", required: true);
        var command = new Command("init", "Make a checkpoint with Xavier weights, in Llama layout, or in Mixtral layout with --experts, or of stacks with --stack.")
        {
            kind, shape, stack, experts, topK, layers, type, seed, sample, output,
        };
        command.SetAction(parsed =>
        {
            ulong number = parsed.GetValue(seed);
            CheckpointForm form = FormOf(
                parsed.GetValue(kind), parsed.GetValue(shape), parsed.GetValue(stack), parsed.GetValue(layers),
                CommonOptions.Mixture(parsed.GetValue(experts), parsed.GetValue(topK)));
            var checkpoint = new RandomCheckpoint(form, parsed.GetValue(type)!, number);
            return Run(session, new Request(
                checkpoint, parsed.GetValue(sample), unchecked((int)number), parsed.GetRequiredValue(output)));
        });
        return command;
    }

    private static CheckpointForm FormOf(FfnKind kind, LayerShape? shape, StackShape? stack, int layers, MixtureSpec? mixture) => (shape, stack) switch
    {
        (not null, null) => new LlamaForm(kind, shape, layers, mixture),
        (null, not null) when mixture is null => new StackForm(kind, stack, layers),
        (null, not null) => throw new UsageException("--experts is for --shape; a stack has no mixtures."),
        (null, null) => throw new UsageException("Option '--shape' is required, or '--stack'."),
        _ => throw new UsageException("Give either --shape or --stack."),
    };

    private static Option<WeightType?> WeightTypeOption()
    {
        string names = string.Join(", ", WeightType.All.Select(static type => type.Name));
        Option<WeightType?> option = OptionFactory.Word<WeightType?>(
            "--dtype", "TYPE", $"How weights are stored: {names}.", "one of " + names, WeightType.TryParse);
        option.DefaultValueFactory = static _ => WeightType.Default;
        return option;
    }

    private static Option<ulong> SeedOption()
    {
        Option<ulong> option = OptionFactory.Word(
            "--seed",
            "S",
            "The same seed makes the same checkpoint.",
            $"a whole number from 0 to {ulong.MaxValue}",
            (string word, out ulong value) => ulong.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out value));
        option.DefaultValueFactory = static _ => 0;
        return option;
    }

    private static int Run(Session session, Request request)
    {
        NewFolder.Require("--output", request.Output);
        RandomRows.RequireRoom("--sample-input", request.SampleTokens, request.Checkpoint.Spec);
        RequireDiskSpace(request);
        WithProgress(session.Terminal, request, written => session.Interrupt.WhileWriting(
            () => Write(request, written, session.Interrupt.Token)));
        session.Terminal.Out.WriteLine(
            $"{request.Output}: {request.Checkpoint.Layers} x {request.Checkpoint.Spec}, {request.Checkpoint.WeightType}, " +
            $"{ByteSize.Of(request.Checkpoint.ByteCount)}" + (request.SampleTokens > 0 ? $", {SampleFile} with {request.SampleTokens} tokens" : string.Empty));
        return ExitCode.Done;
    }

    private static void RequireDiskSpace(Request request)
    {
        string folder = NewFolder.ExistingAncestor(request.Output);
        long free = new DriveInfo(folder).AvailableFreeSpace;
        if (request.Checkpoint.ByteCount > free)
        {
            throw new UsageException(
                $"--output '{request.Output}' would take {ByteSize.Of(request.Checkpoint.ByteCount)}, but '{folder}' has {ByteSize.Of(free)} free. Give a smaller {request.Checkpoint.Option} or fewer --layers.");
        }
    }

    // config.json comes last: without it, a folder is no checkpoint.
    private static void Write(Request request, Action<int> written, CancellationToken cancellation)
    {
        using NewFolder folder = NewFolder.Create(request.Output, ModelFile, SampleFile, ConfigFile);
        request.Checkpoint.WriteTensors(folder[ModelFile], written, cancellation);
        if (request.SampleTokens > 0)
        {
            int width = request.Checkpoint.Spec.InputWidth;
            float[] rows = RandomRows.Create(request.SampleTokens, width, request.SampleSeed);
            using var sample = new TensorFile(folder[SampleFile], request.SampleTokens, [("input", width, rows)], cancellation);
            sample.Commit();
        }

        AtomicFile.WriteText(folder[ConfigFile], request.Checkpoint.Configuration + Environment.NewLine);
        folder.Keep();
    }

    private static void WithProgress(Terminal terminal, Request request, Action<Action<int>> write)
    {
        if (!terminal.ErrorIsInteractive)
        {
            write(static _ => { });
            return;
        }

        terminal.ErrorConsole.Progress().Start(context =>
        {
            ProgressTask task = context.AddTask("writing weights", maxValue: request.Checkpoint.ElementCount);
            write(elements => task.Increment(elements));
        });
    }
}
