using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using NativeFfn.Checkpoints;
using NativeFfn.Cli.Conversion;
using NativeFfn.Cli.Files;
using NativeFfn.Cli.Options;
using Spectre.Console;

namespace NativeFfn.Cli.Commands;

/// <summary><c>convert</c>: a checkpoint whose feed-forward matrices are kept in another form; everything else stays as it is.</summary>
internal static class ConvertCommand
{
    private const string ConfigFile = "config.json";
    private const string IndexEnding = ".index.json";
    private const string QuantizationKey = "quantization_config";

    // Tokenizers and templates, without which nobody else opens the model; weights of other formats are none of them.
    private static readonly string[] CopiedEndings = [".json", ".txt", ".model", ".jinja"];
    private const long MostCopiedBytes = 64 * 1024 * 1024;

    private sealed record Request(string Model, LayerSelection Layers, MatrixForm Form, string Output);

    public static Command Create(Session session)
    {
        Option<string> model = CommonOptions.Model();
        Option<LayerSelection> layers = OptionFactory.Word<LayerSelection>(
            "--layers", "LIST", $"The layers to convert: {LayerSelection.Allowed}; all if left out.", LayerSelection.Allowed,
            LayerSelection.TryParse);
        layers.DefaultValueFactory = static _ => LayerSelection.All;
        string names = string.Join(", ", MatrixForm.All.Select(static form => form.Name));
        Option<MatrixForm> form = OptionFactory.Word<MatrixForm>(
            "--precision", string.Join('|', MatrixForm.All.Select(static form => form.Name)),
            "How their matrices are stored; int4 and int8 as compressed-tensors has them.", "one of " + names, MatrixForm.TryParse);
        form.Required = true;
        Option<string> output = OptionFactory.Text(
            "--output", "DIR", "The folder to make; files that an earlier run finished there are kept.", required: true);
        var command = new Command("convert", "Write a checkpoint again, with the matrices of its feed-forward layers in another form.")
        {
            model, layers, form, output,
        };
        command.SetAction(parsed => Run(session, new Request(
            parsed.GetRequiredValue(model), parsed.GetRequiredValue(layers), parsed.GetRequiredValue(form), parsed.GetRequiredValue(output))));
        return command;
    }

    private static int Run(Session session, Request request)
    {
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(request.Model);
        ConversionPlan plan = ConversionPlan.Of(checkpoint, request.Layers, request.Form);
        string source = Path.GetDirectoryName(Path.GetFullPath(plan.Files[0]))!;
        RequireOther(source, request.Output);
        JsonObject config = ReadConfig(Path.Combine(source, ConfigFile), plan);
        ShardConverter? converter = null;
        int kept = 0;
        WithProgress(session.Terminal, plan, progress => session.Interrupt.WhileWriting(() =>
        {
            CreateFolder(request.Output);
            converter = new ShardConverter(plan, progress, session.Interrupt.Token);
            foreach (string file in plan.Files)
            {
                kept += converter.Convert(file, Path.Combine(request.Output, Path.GetFileName(file))) ? 1 : 0;
            }

            WriteRest(source, request.Output, plan, converter, config);
        }));
        session.Terminal.Out.WriteLine(Summary(request, plan, converter!, kept));
        return ExitCode.Done;
    }

    private static string Summary(Request request, ConversionPlan plan, ShardConverter converter, int kept)
    {
        string summary = string.Create(
            CultureInfo.InvariantCulture, $"{request.Output}: {plan.Matrices.Count} matrices as {request.Form.Name}, {ByteSize.Of(converter.BytesWritten)} in all");
        if (converter.Worst.Error > 0)
        {
            summary += string.Create(
                CultureInfo.InvariantCulture, $"; the most was lost of {converter.Worst.Matrix}, a relative error of {converter.Worst.Error:0.0e+00}");
            summary += request.Form.Bits == 0
                ? string.Empty
                : string.Create(CultureInfo.InvariantCulture, $" ({converter.Worst.Plain:0.0e+00} by plain rounding)");
        }

        return kept == 0 ? summary : $"{summary}; {kept} of {plan.Files.Count} files were there";
    }

    private static void RequireOther(string source, string output)
    {
        if (Path.TrimEndingDirectorySeparator(Path.GetFullPath(output)) == Path.TrimEndingDirectorySeparator(source))
        {
            throw new UsageException($"--output '{output}' is the model's own folder. Name another.");
        }
    }

    private static void CreateFolder(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"--output '{path}' cannot be made: {problem.Message}");
        }
    }

    private static JsonObject ReadConfig(string path, ConversionPlan plan)
    {
        JsonNode? config;
        try
        {
            config = JsonNode.Parse(File.ReadAllBytes(path));
        }
        catch (JsonException problem)
        {
            throw new UsageException($"{path}: is not valid JSON, which a converted model's must be: {problem.Message} Correct it.");
        }

        if (config is not JsonObject model)
        {
            throw new UsageException($"{path}: is no JSON object. Get the file again.");
        }

        if (plan.Form.Describe(plan.Matrices.Select(MatrixForm.ModuleOf)) is { } description)
        {
            model[QuantizationKey] = description;
        }

        return model;
    }

    // config.json comes last: without it, a folder is no checkpoint.
    private static void WriteRest(string source, string output, ConversionPlan plan, ShardConverter converter, JsonObject config)
    {
        foreach (string file in Directory.GetFiles(source).Where(IsCopied))
        {
            AtomicFile.Write(Path.Combine(output, Path.GetFileName(file)), File.ReadAllBytes(file));
        }

        if (plan.Files.Count > 1)
        {
            var map = new JsonObject();
            foreach ((string name, (string file, _)) in converter.Written)
            {
                map[name] = file;
            }

            var index = new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = converter.BytesWritten }, ["weight_map"] = map };
            AtomicFile.WriteText(Path.Combine(output, "model.safetensors" + IndexEnding), index.ToJsonString() + Environment.NewLine);
        }

        AtomicFile.WriteText(
            Path.Combine(output, ConfigFile), config.ToJsonString(new() { WriteIndented = true }) + Environment.NewLine);
    }

    private static bool IsCopied(string file) =>
        CopiedEndings.Any(ending => file.EndsWith(ending, StringComparison.OrdinalIgnoreCase))
        && !file.EndsWith(IndexEnding, StringComparison.OrdinalIgnoreCase)
        && Path.GetFileName(file) != ConfigFile
        && new FileInfo(file).Length <= MostCopiedBytes;

    private static void WithProgress(Terminal terminal, ConversionPlan plan, Action<Action<long>> convert)
    {
        if (!terminal.ErrorIsInteractive)
        {
            convert(static _ => { });
            return;
        }

        terminal.ErrorConsole.Progress().Start(context =>
        {
            ProgressTask task = context.AddTask("converting", maxValue: plan.Files.Sum(static file => new FileInfo(file).Length));
            convert(bytes => task.Increment(bytes));
        });
    }
}
