using NativeFfn.Checkpoints.Files;
using NativeFfn.Checkpoints.Files.Gguf;

namespace NativeFfn.Checkpoints;

/// <summary>Finds the configuration and the weights that a path means.</summary>
internal static class CheckpointFolder
{
    private const string ConfigName = "config.json";
    private const string WeightsName = "model.safetensors";
    private const string IndexName = "model.safetensors.index.json";
    private const string IndexExtension = ".index.json";

    // Rows to try a model on, as init writes them.
    private const string SampleName = "input.safetensors";

    // Formats of weights that are not read, pickles first.
    private static readonly string[] Pickles = [".bin", ".pt", ".pth", ".ckpt"];
    private static readonly string[] UnreadWeights = [.. Pickles, ".h5", ".msgpack", ".onnx"];

    // Beside a trainer's states and arguments, which are pickles too.
    private const string TorchWeights = "pytorch_model";

    private static string Extensions => string.Join(" or ", TensorFiles.Formats.Reverse().Select(static format => format.Extension));

    public static bool IsIndex(string weightsPath) => weightsPath.EndsWith(IndexExtension, StringComparison.OrdinalIgnoreCase);

    /// <summary>The tensor file or index that a path means.</summary>
    public static string FindWeights(string path)
    {
        if (Directory.Exists(path))
        {
            return FindInFolder(path);
        }

        if (!File.Exists(path))
        {
            throw new CheckpointException($"{path}: no such file or directory. Name a checkpoint's folder or its weights' file.");
        }

        return IsIndex(path) || TensorFiles.Formats.Any(format => path.EndsWith(format.Extension, StringComparison.OrdinalIgnoreCase))
            ? path
            : WrongDownload.IsPart(path) ? throw new CheckpointException($"{path}: is a download that is not finished. Finish it, or get the file again.")
            : throw new CheckpointException($"{path}: is neither a {Extensions} nor a {IndexExtension} file. Name one of them or the checkpoint's folder.");
    }

    /// <summary>The configuration that belongs to the weights of a path.</summary>
    public static string FindConfig(string path)
    {
        bool isDirectory = Directory.Exists(path);
        string config = Path.Combine(isDirectory ? path : Path.GetDirectoryName(path)!, ConfigName);
        return File.Exists(config)
            ? config
            : throw new CheckpointException($"{path}: has no {ConfigName} {(isDirectory ? "in" : "beside")} it, which says what its layers are. Put the model's own there.");
    }

    private static string? FindUnread(string folder) => Directory.EnumerateFiles(folder).Where(static file => EndsWith(file, UnreadWeights))
        .Select(Path.GetFileName).OrderBy(static name => !name!.StartsWith(TorchWeights, StringComparison.Ordinal))
        .ThenBy(static name => name, StringComparer.Ordinal).FirstOrDefault();

    private static bool EndsWith(string file, string[] endings) =>
        endings.Any(ending => file.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    private static string FindInFolder(string folder)
    {
        foreach (string name in (ReadOnlySpan<string>)[WeightsName, IndexName])
        {
            string candidate = Path.Combine(folder, name);
            if (File.Exists(candidate))
            {
                return candidate;
            }
        }

        string[] others;
        try
        {
            others = [.. TensorFiles.Formats.SelectMany(format => Directory.GetFiles(folder, "*" + format.Extension))
                .Where(static file => Path.GetFileName(file) != SampleName)];
        }
        catch (Exception problem) when (CheckpointFile.IsFileProblem(problem))
        {
            throw new CheckpointException($"{folder}: cannot be listed: {problem.Message.ReplaceLineEndings(" ")}", problem);
        }

        return others switch
        {
            [string only] => only,
            _ when GgufPartName.FirstOf(others) is { } first => first,
            [] when WrongDownload.FindPart(folder) is { } part => throw new CheckpointException(
                $"{folder}: has no weights, but {Path.GetFileName(part)}, whose download is not finished. Finish it, or get the file again."),
            [] when FindUnread(folder) is { } unread => throw new CheckpointException(
                $"{folder}: has its weights in {unread}, {(EndsWith(unread, Pickles) ? "a pickle, which runs code when it is read" : "which is not read")}. " +
                "Convert them to safetensors; save_pretrained does."),
            [] => throw new CheckpointException(
                $"{folder}: has neither {WeightsName} nor {IndexName} nor another {Extensions} file. Name a checkpoint's folder, with its weights in such a file."),
            _ => throw new CheckpointException(
                $"{folder}: has {others.Length} {Extensions} files, but neither {WeightsName} nor {IndexName}. Name the file to use."),
        };
    }
}
